//! The composition root: here alone it is known which store there is, whether a cache stands before it, and what serves.

mod calls;
mod dispatch;
mod engine;
mod exposure;
mod guard;
mod health;
mod http;
mod incoming;
mod pressure;
mod stack;
mod tasks;
mod web;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::service::RoutesBuilder;
use tonic_health::pb::health_server::HealthServer;

pub use calls::CallOptions;
pub use engine::StoreOptions;
pub use web::{Origins, WebOptions};

use crate::access::{Access, AccessOptions, Audit, AuditError, AuditTarget};
use crate::cache::{AuditOptions, LocalCacheOptions, RedisOptions};
use crate::grpc::served::ingestion_service_server::IngestionServiceServer;
use crate::grpc::served::retrieval_service_server::RetrievalServiceServer;
use crate::grpc::{IngestionApi, RetrievalApi};
use crate::ingest::{IngestOptions, Ingestion, Workers};
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::retrieve::{Retrieval, RetrieveLimits};
use crate::store::{StoreError, postgres, sqlite};
use crate::telemetry::Metrics;
use calls::CallLayer;
use dispatch::Ours;
use exposure::Exposure;
use guard::Guard;
use health::{HealthApi, Readiness};
use incoming::incoming;
use stack::Stack;

/// Everything a server can be set to.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where calls come in. Port 0 is any free one.
    pub listen: SocketAddr,
    /// Where metrics are read, if anywhere.
    pub http_listen: Option<SocketAddr>,
    /// Where articles are kept.
    pub store: StoreOptions,
    /// The local cache, if there is one.
    pub cache: Option<LocalCacheOptions>,
    /// The cache that replicas share, behind the local one, if there is one.
    pub redis: Option<RedisOptions>,
    /// How callers are told apart; everybody may do everything when absent.
    pub access: Option<AccessOptions>,
    /// Where it is written who changed what.
    pub audit_log: AuditTarget,
    /// Whether a port that others can reach is opened without authentication and encryption.
    pub insecure: bool,
    /// Whether, and how, the caches are audited.
    pub audit: Option<AuditOptions>,
    /// How calls are treated.
    pub calls: CallOptions,
    /// How much one read may ask for.
    pub retrieve: RetrieveLimits,
    /// How documents are treated.
    pub ingest: IngestOptions,
    /// Threads that extract.
    pub ingest_workers: usize,
    /// Documents that wait for them or are with them.
    pub ingest_queue: usize,
    /// The largest message that is taken, in bytes, after decompression.
    pub max_message_bytes: usize,
    /// Calls under way at once on one connection.
    pub max_streams_per_connection: u32,
    /// How long a connection may take to open.
    pub handshake: Duration,
    /// How long work in flight may take after the signal to stop.
    pub shutdown_grace: Duration,
    /// Whether clients may ask what is served.
    pub reflection: bool,
    /// Whether, and to whose pages, gRPC-Web is spoken.
    pub web: WebOptions,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded store did not open.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// The database did not open.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port is not to be had.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// A port would be open to others, and nobody has said that it may be.
    #[error(
        "listen = {address}: others can reach this address, and calls there would be neither authenticated nor encrypted; \
         set auth = on, or TLS, or listen on 127.0.0.1, or set insecure = on if that is what you want"
    )]
    Exposed {
        /// Which.
        address: SocketAddr,
    },
    /// There is nowhere to write who changed what.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The threads that extract could not be started.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// A defect: the descriptors that build.rs wrote are not served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Why a server stopped serving, other than by its signal.
#[derive(Debug, thiserror::Error)]
#[error("serving failed: {0}")]
pub struct ServeError(String);

/// A server that has its store and its ports, and does not serve yet.
pub struct Server {
    options: ServerOptions,
    listener: TcpListener,
    http: Option<TcpListener>,
    stack: Stack,
    workers: Workers,
    access: Option<Access>,
    audit: Audit,
}

impl Server {
    /// Opens the store and takes the ports.
    pub async fn bind(options: ServerOptions) -> Result<Self, StartError> {
        look_at_ports(&options)?;
        let audit = Audit::open(&options.audit_log)?;
        let listener = listen(options.listen).await?;
        let http = match options.http_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let stack = Stack::open(&options).await?;
        let workers = Workers::start(options.ingest_workers, options.ingest_queue).map_err(StartError::Threads)?;
        let access = match options.access.clone() {
            Some(access) => Some(Access::open(access, stack.keys(&options)?).await),
            None => None,
        };
        Ok(Self { options, listener, http, stack, workers, access, audit })
    }

    /// Where calls come in.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics are read.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `shutdown`; then takes no more, ends streams, and lets work in flight finish within the grace time.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let stopping = CancellationToken::new();
        let metrics = Metrics::new(paths());
        let (readiness, ready) = watch::channel(Readiness { open: true, store: true });
        let ours = self.ours(&metrics, &stopping);
        let routes = self.routes(&ready, &stopping).map_err(|error| ServeError(error.to_string()))?;

        let store = self.stack.store();
        let mut background = vec![
            tokio::spawn(tasks::turn_clock(Arc::clone(&store), stopping.clone())),
            tokio::spawn(tasks::watch_store(store, readiness.clone(), stopping.clone())),
        ];
        if let Some(access) = self.access.clone() {
            background.push(tokio::spawn(access.follow()));
        }
        if let Some(auditor) = self.stack.auditor() {
            background.push(tokio::spawn(async move { auditor.run().await }));
        }
        if let Some(listener) = self.http {
            let router =
                http::router(http::Http { metrics: metrics.clone(), stack: self.stack.clone(), readiness: ready });
            let stopping = stopping.clone();
            tokio::spawn(async move {
                let served = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
                if let Err(error) = served.await {
                    tracing::error!(%error, "the metrics port failed");
                }
            });
        }

        let stop = {
            let stopping = stopping.clone();
            async move {
                shutdown.await;
                tracing::info!("stopping");
                readiness.send_modify(|readiness| readiness.open = false);
                stopping.cancel();
            }
        };
        let guard = Guard { access: self.access.clone(), audit: self.audit.clone(), metrics };
        let incoming = incoming(self.listener, self.options.handshake, KEEPALIVE);
        let served = tonic::transport::Server::builder()
            // Browsers speak HTTP/2 by TLS alone.
            .accept_http1(self.options.web.serve)
            .layer(web::cors(&self.options.web))
            .layer(web::translation(&self.options.web))
            .layer(CallLayer::new(self.options.calls.clone(), guard))
            .layer(ours)
            .max_concurrent_streams(self.options.max_streams_per_connection)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(Duration::from_secs(20)))
            .http2_max_header_list_size(16 << 10)
            .http2_max_pending_accept_reset_streams(Some(32))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop);
        let grace = {
            let stopping = stopping.clone();
            let grace = self.options.shutdown_grace;
            async move {
                stopping.cancelled().await;
                tokio::time::sleep(grace).await;
            }
        };
        let result = tokio::select! {
            served = served => served.map_err(|error| ServeError(error.to_string())),
            () = grace => {
                tracing::warn!("the grace time has passed; what is still in flight is cut off");
                Ok(())
            }
        };
        stopping.cancel();
        for task in background {
            task.abort();
        }
        tracing::info!("stopped");
        result
    }

    fn ours(&self, metrics: &Metrics, stopping: &CancellationToken) -> Ours {
        let most = self.options.max_message_bytes;
        let retrieval = Retrieval::new(self.stack.reads(), self.options.retrieve.clone());
        let workers = self.workers.clone();
        let ingestion = Ingestion::new(self.stack.store(), workers, self.options.ingest.clone());
        let retrieval = RetrievalServiceServer::new(RetrievalApi::new(retrieval, metrics.clone(), stopping.clone()))
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
            .max_decoding_message_size(most)
            .max_encoding_message_size(MAX_ANSWER_BYTES);
        let ingestion = IngestionServiceServer::new(IngestionApi::new(
            ingestion,
            metrics.clone(),
            self.audit.clone(),
            stopping.clone(),
        ))
        .accept_compressed(Gzip)
        .accept_compressed(Zstd)
        .send_compressed(Gzip)
        .send_compressed(Zstd)
        .max_decoding_message_size(most)
        .max_encoding_message_size(MAX_ANSWER_BYTES);
        Ours { retrieval, ingestion }
    }

    /// Health and reflection.
    fn routes(
        &self,
        ready: &watch::Receiver<Readiness>,
        stopping: &CancellationToken,
    ) -> Result<tonic::service::Routes, StartError> {
        let health = HealthServer::new(HealthApi { readiness: ready.clone(), stopping: stopping.clone() });
        let mut routes = RoutesBuilder::default();
        routes.add_service(health);
        if self.options.reflection {
            let builder = || {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                    // What errors carry, so that tools can show it.
                    .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            };
            routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
        }
        Ok(routes.routes())
    }
}

/// How often silent peers are asked whether they are there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// The largest answer: a batch of 1,000 articles is allowed to be large, and no answer is unbounded.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Refuses to open ports to others by oversight.
fn look_at_ports(options: &ServerOptions) -> Result<(), StartError> {
    let address = options.listen;
    let calls = exposure::of_calls(address, false, options.access.is_some(), options.insecure);
    let metrics = options.http_listen.map_or(Exposure::Fine, exposure::of_metrics);
    for exposure in [calls, metrics] {
        match exposure {
            Exposure::Fine => {}
            Exposure::Warn(what) => tracing::warn!("{what}"),
            Exposure::Refuse => return Err(StartError::Exposed { address }),
        }
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|cause| StartError::Listen { address, cause })
}

/// The paths of every method that is served, for metrics.
fn paths() -> Vec<String> {
    use prost::Message;
    let mut paths = vec!["/grpc.health.v1.Health/Check".to_owned(), "/grpc.health.v1.Health/Watch".to_owned()];
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("build.rs wrote it");
    for file in &set.file {
        for service in &file.service {
            let methods = service.method.iter();
            paths.extend(methods.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
        }
    }
    paths
}
