//! Server reflection: clients list services and read the descriptors of types.
//!
//! tonic-reflection's own service ends the stream at the first symbol that it does not know. Clients such as grpcurl
//! look several up on one stream, so here the error is a response, as the protocol has it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::BoxStream;
use http::Request;
use prost_reflect::{DescriptorError, DescriptorPool, FileDescriptor};
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::{ServerReflection, ServerReflectionServer};
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use tower::Service;

use crate::proto::descriptors;

/// Server reflection over the API, health checks and the types of error details.
#[derive(Clone)]
pub struct ReflectionApi {
    pool: DescriptorPool,
}

impl ReflectionApi {
    /// Reads the descriptors.
    ///
    /// # Errors
    /// Returns an error if the compiled descriptors are invalid, which is a defect.
    pub fn new() -> Result<Self, DescriptorError> {
        let mut pool = DescriptorPool::new();
        pool.decode_file_descriptor_set(&descriptors()[..])?;
        pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
        pool.decode_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)?;
        Ok(Self { pool })
    }

    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answered = match &request.message_request {
            Some(request) => self.look_up(request),
            None => Err((Code::InvalidArgument, "must name a file, a symbol, an extension or a type".to_owned())),
        };
        let answer = answered.unwrap_or_else(|(code, error_message)| {
            MessageResponse::ErrorResponse(ErrorResponse { error_code: code.into(), error_message })
        });
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        }
    }

    fn look_up(&self, request: &MessageRequest) -> Result<MessageResponse, (Code, String)> {
        let unknown = |what: &str, name: &str| (Code::NotFound, format!("{what} {name:?} is unknown"));
        let file = |file: FileDescriptor| {
            let file_descriptor_proto = vec![file.encode_to_vec()];
            MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
        };
        match request {
            MessageRequest::FileByFilename(name) => {
                self.pool.get_file_by_name(name).map(file).ok_or_else(|| unknown("the file", name))
            }
            MessageRequest::FileContainingSymbol(name) => {
                self.file_of(name).map(file).ok_or_else(|| unknown("the symbol", name))
            }
            MessageRequest::FileContainingExtension(extension) => {
                let number = u32::try_from(extension.extension_number).unwrap_or_default();
                let message = self.pool.get_message_by_name(&extension.containing_type);
                let found = message.and_then(|message| message.get_extension(number));
                let name = || format!("{} of {}", extension.extension_number, extension.containing_type);
                found.map(|found| file(found.parent_file())).ok_or_else(|| unknown("the extension", &name()))
            }
            MessageRequest::AllExtensionNumbersOfType(name) => {
                let message = self.pool.get_message_by_name(name).ok_or_else(|| unknown("the type", name))?;
                let numbers = message.extensions().filter_map(|extension| i32::try_from(extension.number()).ok());
                Ok(MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name: name.clone(),
                    extension_number: numbers.collect(),
                }))
            }
            MessageRequest::ListServices(_) => {
                let services = self.pool.services().map(|service| ServiceResponse { name: service.full_name().into() });
                Ok(MessageResponse::ListServicesResponse(ListServiceResponse { service: services.collect() }))
            }
        }
    }

    /// Returns the file with a message, an enum, a service or an extension, or with a member of one of these.
    fn file_of(&self, symbol: &str) -> Option<FileDescriptor> {
        let pool = &self.pool;
        let whole = |name: &str| {
            let message = pool.get_message_by_name(name).map(|message| message.parent_file());
            let message = message.or_else(|| pool.get_enum_by_name(name).map(|item| item.parent_file()));
            let message = message.or_else(|| pool.get_service_by_name(name).map(|service| service.parent_file()));
            message.or_else(|| pool.get_extension_by_name(name).map(|extension| extension.parent_file()))
        };
        let member = || {
            let (parent, name) = symbol.rsplit_once('.')?;
            let is_member = pool.get_message_by_name(parent).is_some_and(|it| it.get_field_by_name(name).is_some())
                || pool.get_service_by_name(parent).is_some_and(|it| it.methods().any(|method| method.name() == name))
                || pool.get_enum_by_name(parent).is_some_and(|it| it.get_value_by_name(name).is_some());
            if is_member { whole(parent) } else { None }
        };
        whole(symbol).or_else(member)
    }
}

#[tonic::async_trait]
impl ServerReflection for ReflectionApi {
    type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        requests: tonic::Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let api = self.clone();
        // A request that cannot be read is the end of the stream, as when the connection ends.
        let answers = requests.into_inner().map_while(move |request| Some(Ok(api.answer(request.ok()?))));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// The same service under its former name, which many clients still call. Its messages are the same.
#[derive(Clone)]
pub struct ReflectionAlpha(pub ServerReflectionServer<ReflectionApi>);

impl NamedService for ReflectionAlpha {
    const NAME: &'static str = "grpc.reflection.v1alpha.ServerReflection";
}

impl Service<Request<Body>> for ReflectionAlpha {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path().replacen(Self::NAME, ServerReflectionServer::<ReflectionApi>::NAME, 1);
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        self.0.call(request)
    }
}
