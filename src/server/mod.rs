//! The composition root: here alone it is known which store there is, whether a cache stands before it, and what serves.

mod answer;
mod calls;
mod connection;
mod dispatch;
mod engine;
mod exposure;
mod guard;
mod health;
mod hosts;
mod http;
mod inbound;
mod incoming;
mod opening;
mod outbox;
mod pressure;
mod stack;
mod streams;
mod tasks;
mod tls;
mod traced;
mod validity;
mod web;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::service::RoutesBuilder;
use tonic_health::pb::health_server::HealthServer;
use tower::ServiceBuilder;

pub use calls::CallOptions;
pub use connection::ConnectionOptions;
pub use engine::{CopyTarget, StoreOptions};
pub use hosts::AllowedHosts;
pub use tls::{TlsError, TlsOptions};
pub use web::{Origins, WebOptions};

use crate::access::{Access, AccessOptions, Audit, AuditError, AuditTarget};
use crate::cache::{AuditOptions, LocalCacheOptions, RedisOptions};
use crate::grpc::served::ingestion_service_server::IngestionServiceServer;
use crate::grpc::served::retrieval_service_server::RetrievalServiceServer;
use crate::grpc::{EarlyRefusal, IngestionApi, RetrievalApi};
use crate::ingest::{Extraction, IngestOptions, Ingestion};
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::retrieve::{Retrieval, RetrieveLimits};
use crate::store::{StoreError, postgres, sqlite};
use crate::telemetry::Metrics;
use crate::telemetry::trace::TraceOptions;
use calls::CallLayer;
use connection::Shared;
use dispatch::Ours;
use exposure::Exposure;
use guard::Guard;
use health::{HealthApi, Readiness};
use hosts::HostRules;
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
    /// Which calls are traced, and where to, if any are.
    pub trace: Option<TraceOptions>,
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
    /// Memory for the documents of calls under way, in bytes.
    pub ingest_call_bytes: usize,
    /// The largest message that is taken, in bytes, after decompression.
    pub max_message_bytes: usize,
    /// The certificates by which TLS is spoken to callers, if it is.
    pub tls: Option<TlsOptions>,
    /// How connections are treated.
    pub connections: ConnectionOptions,
    /// How long, after the signal to stop, the server says that it is not to be called and takes calls still.
    pub drain_wait: Duration,
    /// How long work in flight may take after that.
    pub shutdown_grace: Duration,
    /// Whether clients may ask what is served.
    pub reflection: bool,
    /// Whether, and to whose pages, gRPC-Web is spoken.
    pub web: WebOptions,
}

impl ServerOptions {
    /// Whether callers need a credential or a certificate.
    fn authenticates(&self) -> bool {
        self.access.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }

    fn host_rules(&self) -> HostRules {
        let loopback = exposure::is_loopback(self.listen);
        HostRules::new(&self.web.hosts, &self.web.origins, loopback, self.authenticates())
    }
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
    /// The certificates are not right.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    extraction: Extraction,
    access: Option<Access>,
    audit: Audit,
}

impl Server {
    /// Opens the store and takes the ports.
    pub async fn bind(options: ServerOptions) -> Result<Self, StartError> {
        if let Some(tls) = &options.tls {
            tls.check()?;
        }
        look_at_ports(&options)?;
        let audit = Audit::open(&options.audit_log)?;
        let listener = listen(options.listen).await?;
        let http = match options.http_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let stack = Stack::open(&options).await?;
        let extraction = Extraction::start(options.ingest_workers, options.ingest_queue, options.ingest_call_bytes);
        let extraction = extraction.map_err(StartError::Threads)?;
        let access = match options.access.clone() {
            Some(access) => Some(Access::open(access, stack.keys(&options)?).await),
            None => None,
        };
        Ok(Self { options, listener, http, stack, extraction, access, audit })
    }

    /// Where calls come in.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics are read.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `shutdown`. Then it says that it is not ready, and serves on for `drain_wait`; then it takes no more, ends
    /// streams, and lets work in flight finish within the grace time.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let stopping = CancellationToken::new();
        let metrics = Metrics::new(paths());
        let credentials = self.access.as_ref().is_none_or(|access| access.can_check(Instant::now()));
        let (readiness, ready) = watch::channel(Readiness { open: true, store: true, credentials });
        let ours = self.ours(&metrics);
        let routes = self.routes(&ready).map_err(|error| ServeError(error.to_string()))?;

        // Browsers speak HTTP/2 by TLS alone.
        let http1 = self.options.web.serve;
        let tls = match self.options.tls.clone() {
            Some(options) => {
                Some(tls::start(options, http1, metrics.clone()).map_err(|error| ServeError(error.to_string()))?)
            }
            None => None,
        };
        let (tls, reloading) = tls.unzip();

        let store = self.stack.store();
        let mut background = vec![
            tokio::spawn(tasks::turn_clock(Arc::clone(&store), stopping.clone())),
            tokio::spawn(tasks::watch_store(store, readiness.clone(), stopping.clone())),
        ];
        if let Some(access) = self.access.clone() {
            background.push(tokio::spawn(tasks::watch_credentials(
                access.clone(),
                readiness.clone(),
                stopping.clone(),
            )));
            background.push(tokio::spawn(access.follow()));
        }
        if let Some(auditor) = self.stack.auditor() {
            background.push(tokio::spawn(async move { auditor.run().await }));
        }
        if let Some(reloading) = reloading {
            background.push(tokio::spawn(reloading.run()));
        }
        if let Some(listener) = self.http {
            let router =
                http::router(http::Http { metrics: metrics.clone(), stack: self.stack.clone(), readiness: ready });
            background.push(tokio::spawn(async move {
                if let Err(error) = axum::serve(listener, router).await {
                    tracing::error!(%error, "the metrics port failed");
                }
            }));
        }
        let (drain_wait, begun) = (self.options.drain_wait, stopping.clone());
        background.push(tokio::spawn(async move {
            shutdown.await;
            tracing::info!(?drain_wait, "stopping");
            readiness.send_modify(|readiness| readiness.open = false);
            tokio::time::sleep(drain_wait).await;
            begun.cancel();
        }));

        let flush = CancellationToken::new();
        let (tracer, exporting) = traced::start(self.options.trace.as_ref(), &metrics, flush.clone())?;
        let guard = Guard {
            access: self.access.clone(),
            hosts: self.options.host_rules(),
            audit: self.audit.clone(),
            metrics: metrics.clone(),
        };
        let service = ServiceBuilder::new()
            .layer(web::cors(&self.options.web))
            .layer(web::translation(&self.options.web))
            .layer(CallLayer::new(self.options.calls.clone(), guard, tracer))
            .layer(ours)
            .service(routes);
        let (options, grace) = (self.options.connections.clone(), self.options.shutdown_grace);
        let most = options.most;
        let connections = Shared::new(service, options, http1, tls, metrics.clone(), stopping.clone(), grace);
        incoming::serve(self.listener, Arc::new(connections), most, &metrics, &stopping).await;
        for task in background {
            task.abort();
        }
        // When there are no calls any more: what they recorded last is told, too.
        flush.cancel();
        if let Some(exporting) = exporting {
            let _panicked = exporting.await;
        }
        tracing::info!("stopped");
        Ok(())
    }

    fn ours(&self, metrics: &Metrics) -> Ours {
        let most = self.options.max_message_bytes;
        let retrieval = Retrieval::new(self.stack.reads(), self.options.retrieve.clone());
        let extraction = self.extraction.clone();
        let early = EarlyRefusal::new(extraction.clone(), most, metrics.clone());
        let ingestion = Ingestion::new(self.stack.store(), extraction, self.options.ingest.clone());
        let retrieval = RetrievalServiceServer::new(RetrievalApi::new(retrieval, metrics.clone()))
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
            .max_decoding_message_size(most)
            .max_encoding_message_size(MAX_ANSWER_BYTES);
        let ingestion = IngestionServiceServer::new(IngestionApi::new(ingestion, metrics.clone(), self.audit.clone()))
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
            .max_decoding_message_size(most)
            .max_encoding_message_size(MAX_ANSWER_BYTES);
        Ours { retrieval, ingestion, early }
    }

    /// Health and reflection.
    fn routes(&self, ready: &watch::Receiver<Readiness>) -> Result<tonic::service::Routes, StartError> {
        let health = HealthServer::new(HealthApi { readiness: ready.clone() });
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
        Ok(routes.routes().prepare())
    }
}

/// The largest answer: a batch of 1,000 articles is allowed to be large, and no answer is unbounded.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Refuses to open ports to others by oversight.
fn look_at_ports(options: &ServerOptions) -> Result<(), StartError> {
    let address = options.listen;
    let calls = exposure::of_calls(address, options.tls.is_some(), options.authenticates(), options.insecure);
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
