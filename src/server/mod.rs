//! Composition root: the only module that knows the store, its caches and the services together.

mod admin;
mod background;
mod bind_policy;
mod engine;
mod health;
mod middleware;
mod stack;
mod transport;

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
use tonic_reflection::pb::v1::server_reflection_server::ServerReflectionServer;
use tower::ServiceBuilder;

pub use crate::grpc::Compression;
pub use background::{READ_COUNT_INTERVAL, SourceLimits};
pub use engine::{CopyTarget, StoreOptions};
pub use middleware::hosts::AllowedHosts;
pub use middleware::limits::CallOptions;
pub use transport::connection::ConnectionOptions;
pub use transport::grpc_web::{Origins, WebOptions};
pub use transport::tls::{TlsError, TlsOptions};

use crate::access::{Access, AccessOptions, Audit, AuditError, AuditTarget};
use crate::cache::{ConsistencyCheckOptions, LocalCacheOptions, RedisOptions};
use crate::grpc::served::editorial_service_server::EditorialServiceServer;
use crate::grpc::served::ingestion_service_server::IngestionServiceServer;
use crate::grpc::served::retrieval_service_server::RetrievalServiceServer;
use crate::grpc::{EditorialApi, IngestionApi, ReflectionAlpha, ReflectionApi, RetrievalApi};
use crate::ingest::{Extraction, IngestOptions, Ingestion, Intake};
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::read_counts::ReadCounts;
use crate::retrieve::{Retrieval, RetrieveLimits};
use crate::search::{self, SearchOptions};
use crate::store::{StoreError, postgres, sqlite};
use crate::stories::StoryEditor;
use crate::telemetry::Metrics;
use crate::telemetry::trace::TraceOptions;
use bind_policy::BindPolicy;
use health::{HealthApi, Readiness};
use middleware::auth::Guard;
use middleware::early_reject::EarlyReject;
use middleware::hosts::HostRules;
use middleware::layer::CallLayer;
use middleware::router::OwnServices;
use stack::Stack;
use transport::connection::ConnectionContext;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Address for calls. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// Address for metrics and probes; none if absent.
    pub http_listen: Option<SocketAddr>,
    /// Store of the articles.
    pub store: StoreOptions,
    /// Local cache; none if absent.
    pub cache: Option<LocalCacheOptions>,
    /// Cache that replicas share, behind the local one; none if absent.
    pub redis: Option<RedisOptions>,
    /// Search index.
    pub search: SearchOptions,
    /// True if the server is ready only once its search index is built.
    pub search_readiness: bool,
    /// Groups articles into stories.
    pub stories: bool,
    /// Authentication; none if absent.
    pub access: Option<AccessOptions>,
    /// Destination of the audit log.
    pub audit_log: AuditTarget,
    /// Permits a port that others can reach without authentication and encryption.
    pub insecure: bool,
    /// Tracing; none if absent.
    pub trace: Option<TraceOptions>,
    /// Comparison of the caches with the store; none if absent.
    pub consistency_check: Option<ConsistencyCheckOptions>,
    /// Limits of calls.
    pub calls: CallOptions,
    /// Limits of one read.
    pub retrieve: RetrieveLimits,
    /// Settings of ingestion.
    pub ingest: IngestOptions,
    /// Limits of kept documents.
    pub sources: SourceLimits,
    /// Interval between updates of the counts of reads.
    pub read_count_interval: Duration,
    /// Number of extraction threads.
    pub ingest_workers: usize,
    /// Maximum number of documents that are extracted or queued for extraction.
    pub ingest_queue: usize,
    /// Memory for the documents of calls in flight, in bytes.
    pub ingest_call_bytes: usize,
    /// Maximum size of a request message after decompression, in bytes.
    pub max_message_bytes: usize,
    /// TLS for callers; none if absent.
    pub tls: Option<TlsOptions>,
    /// Limits of connections.
    pub connections: ConnectionOptions,
    /// Time after the stop signal during which the server reports that it is not ready and still accepts calls.
    pub drain_wait: Duration,
    /// Maximum further duration of calls in flight after that.
    pub shutdown_grace: Duration,
    /// Compression of responses.
    pub compression: Compression,
    /// Enables server reflection.
    pub reflection: bool,
    /// Settings of gRPC-Web.
    pub web: WebOptions,
    /// Host names that calls may use.
    pub hosts: AllowedHosts,
}

impl ServerOptions {
    /// Returns true if callers need a credential or a certificate.
    fn authenticates(&self) -> bool {
        self.access.is_some() || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }

    fn host_rules(&self) -> HostRules {
        let loopback = bind_policy::is_loopback(self.listen);
        HostRules::new(&self.hosts, &self.web.origins, loopback, self.authenticates())
    }
}

/// Error of starting a server.
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
    /// The search index did not open.
    #[error(transparent)]
    Search(#[from] search::OpenError),
    /// A port cannot be opened.
    #[error("{setting} = {address}: {cause}; port 0 picks a free one")]
    Listen {
        /// Setting of the address.
        setting: &'static str,
        /// Address of the port.
        address: SocketAddr,
        /// Error of the system.
        cause: std::io::Error,
    },
    /// A port would be exposed without authentication, encryption or `insecure`.
    #[error(
        "listen = {address}: others can reach this address without authentication or encryption; \
         set auth = on, configure TLS, listen on 127.0.0.1, or set insecure = on to allow this"
    )]
    Exposed {
        /// Address of the port.
        address: SocketAddr,
    },
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The extraction threads could not be started.
    #[error("cannot start extraction threads: {0}")]
    Threads(std::io::Error),
    /// The certificates are invalid.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A defect: the descriptors from build.rs cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] prost_reflect::DescriptorError),
}

/// Error that stopped a server.
#[derive(Debug, thiserror::Error)]
#[error("serving failed: {0}")]
pub struct ServeError(String);

/// Server with an open store and open ports that does not serve yet.
pub struct Server {
    options: ServerOptions,
    listener: TcpListener,
    http: Option<TcpListener>,
    metrics: Metrics,
    stack: Stack,
    extraction: Extraction,
    intake: Arc<Intake>,
    read_counts: Arc<ReadCounts>,
    access: Option<Access>,
    audit: Audit,
}

impl Server {
    /// Opens the store and the ports.
    pub async fn bind(options: ServerOptions) -> Result<Self, StartError> {
        if let Some(tls) = &options.tls {
            tls.check()?;
        }
        check_exposure(&options)?;
        let audit = Audit::open(&options.audit_log)?;
        let listener = listen("listen", options.listen).await?;
        let http = match options.http_listen {
            Some(address) => Some(listen("http-listen", address).await?),
            None => None,
        };
        let metrics = Metrics::new(paths());
        let stack = Stack::open(&options, &metrics).await?;
        let extraction = Extraction::start(options.ingest_workers, options.ingest_queue, options.ingest_call_bytes);
        let extraction = extraction.map_err(StartError::Threads)?;
        let access = match options.access.clone() {
            Some(access) => Some(Access::open(access, stack.keys(&options)?).await),
            None => None,
        };
        let intake = Arc::new(Intake::new(metrics.ingest().clone()));
        let read_counts = Arc::new(ReadCounts::new(metrics.read_counts().clone()));
        Ok(Self { options, listener, http, metrics, stack, extraction, intake, read_counts, access, audit })
    }

    /// Returns the address for calls.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the address for metrics.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `shutdown`. Then reports that it is not ready and serves on for `drain_wait`; then accepts no more
    /// calls, ends streams, and lets calls in flight finish within the grace time.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let stopping = CancellationToken::new();
        let metrics = self.metrics.clone();
        let credentials = self.access.as_ref().is_none_or(|access| access.can_check(Instant::now()));
        let index = self.stack.index();
        let search = !self.options.search_readiness || index.is_built();
        let (readiness, ready) = watch::channel(Readiness { open: true, store: true, credentials, search });
        let own_services = self.own_services(&metrics);
        let routes = self.routes(&ready).map_err(|error| ServeError(error.to_string()))?;

        // Browsers use HTTP/2 only over TLS.
        let http1 = self.options.web.serve;
        let tls = match self.options.tls.clone() {
            Some(options) => Some(
                transport::tls::start(options, http1, metrics.clone())
                    .map_err(|error| ServeError(error.to_string()))?,
            ),
            None => None,
        };
        let (tls, reloading) = tls.unzip();

        let store = self.stack.store();
        let mut background = vec![
            tokio::spawn(background::apply_due_transitions(Arc::clone(&store), stopping.clone())),
            tokio::spawn(background::watch_store(store, readiness.clone(), stopping.clone())),
        ];
        if !search {
            background.push(tokio::spawn(background::watch_index(index, readiness.clone())));
        }
        if let Some(keep) = self.options.retrieve.deleted_keep {
            let purging = background::purge_deleted(self.stack.store(), keep, stopping.clone());
            background.push(tokio::spawn(purging));
        }
        let evicting = background::evict_originals(self.stack.store(), self.options.sources, stopping.clone());
        background.push(tokio::spawn(evicting));
        let flushing = background::flush_intake(self.stack.store(), Arc::clone(&self.intake), stopping.clone());
        background.push(tokio::spawn(flushing));
        let (counts, interval) = (Arc::clone(&self.read_counts), self.options.read_count_interval);
        let counting =
            background::update_read_counts(self.stack.store(), Arc::clone(&counts), interval, stopping.clone());
        background.push(tokio::spawn(counting));
        let removing = background::remove_old_reads(self.stack.store(), counts, stopping.clone());
        background.push(tokio::spawn(removing));
        if let Some(access) = self.access.clone() {
            background.push(tokio::spawn(background::watch_credentials(
                access.clone(),
                readiness.clone(),
                stopping.clone(),
            )));
            background.push(tokio::spawn(access.follow()));
        }
        if let Some(consistency_checker) = self.stack.consistency_checker() {
            background.push(tokio::spawn(async move { consistency_checker.run().await }));
        }
        let requested = reloading.as_ref().map(transport::tls::Reloading::requested);
        background.push(tokio::spawn(background::reload_on_hangup(self.access.clone(), requested)));
        if let Some(reloading) = reloading {
            background.push(tokio::spawn(reloading.run()));
        }
        if let Some(listener) = self.http {
            let http = admin::Http { metrics: metrics.clone(), readiness: ready };
            background.push(tokio::spawn(admin::serve(listener, http)));
        }
        let (drain_wait, drained) = (self.options.drain_wait, stopping.clone());
        background.push(tokio::spawn(async move {
            shutdown.await;
            tracing::info!(drain_wait_ms = drain_wait.as_secs_f64() * 1_000.0, "stopping");
            readiness.send_modify(|readiness| readiness.open = false);
            tokio::time::sleep(drain_wait).await;
            drained.cancel();
        }));

        let flush = CancellationToken::new();
        let (tracer, exporting) = middleware::rpc_span::start(self.options.trace.as_ref(), &metrics, flush.clone())?;
        let guard = Guard {
            access: self.access.clone(),
            hosts: self.options.host_rules(),
            audit: self.audit.clone(),
            metrics: metrics.clone(),
        };
        let service = ServiceBuilder::new()
            .layer(transport::grpc_web::cors(&self.options.web))
            .layer(transport::grpc_web::translation(&self.options.web))
            .layer(CallLayer::new(self.options.calls.clone(), guard, tracer))
            .layer(own_services)
            .service(routes);
        let (options, grace) = (self.options.connections.clone(), self.options.shutdown_grace);
        let max = options.max;
        let connections =
            ConnectionContext::new(service, options, http1, tls, metrics.clone(), stopping.clone(), grace);
        transport::listener::serve(self.listener, Arc::new(connections), max, &metrics, &stopping).await;
        // After the last call, so that its events and reads are written too.
        match tokio::time::timeout(FLUSH_TIMEOUT, self.intake.flush(&*self.stack.store())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "events of ingestion could not be written"),
            Err(_elapsed) => tracing::warn!("events of ingestion could not be written in time"),
        }
        match tokio::time::timeout(FLUSH_TIMEOUT, self.read_counts.flush(&*self.stack.store())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "reported reads could not be stored"),
            Err(_elapsed) => tracing::warn!("reported reads could not be stored in time"),
        }
        for task in background {
            task.abort();
        }
        // Flushes after the last call, so that its trace is exported too.
        flush.cancel();
        if let Some(exporting) = exporting {
            let _panicked = exporting.await;
        }
        tracing::info!("stopped");
        Ok(())
    }

    fn own_services(&self, metrics: &Metrics) -> OwnServices {
        let max = self.options.max_message_bytes;
        let compression = self.options.compression;
        let retrieval = Retrieval::new(
            self.stack.reads(),
            self.stack.index(),
            self.stack.stories(),
            Arc::clone(&self.read_counts),
            self.options.retrieve.clone(),
        );
        let extraction = self.extraction.clone();
        let early = EarlyReject::new(extraction.clone(), max, metrics.clone());
        let ingestion =
            Ingestion::new(self.stack.store(), extraction, self.options.ingest.clone(), Arc::clone(&self.intake));
        let reads = retrieval.clone();
        let retrieval = RetrievalApi::new(retrieval, metrics.clone(), self.access.is_some(), compression);
        let keep = self.options.retrieve.deleted_keep;
        let stories = self.stack.stories().map(|stories| StoryEditor::new(self.stack.store(), stories));
        let editorial = EditorialApi::new(ingestion.clone(), reads, stories, self.audit.clone(), keep, compression);
        let ingestion = IngestionApi::new(ingestion, metrics.clone(), self.audit.clone(), compression);
        let mut retrieval = RetrievalServiceServer::new(retrieval)
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .max_decoding_message_size(max)
            .max_encoding_message_size(MAX_ANSWER_BYTES);
        let mut editorial = EditorialServiceServer::new(editorial)
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .max_decoding_message_size(max)
            .max_encoding_message_size(MAX_ANSWER_BYTES);
        let mut ingestion = IngestionServiceServer::new(ingestion)
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .max_decoding_message_size(max)
            .max_encoding_message_size(MAX_ANSWER_BYTES);
        if compression.enabled {
            retrieval = retrieval.send_compressed(Gzip).send_compressed(Zstd);
            editorial = editorial.send_compressed(Gzip).send_compressed(Zstd);
            ingestion = ingestion.send_compressed(Gzip).send_compressed(Zstd);
        }
        OwnServices { retrieval, ingestion, editorial, early }
    }

    /// Returns the routes of health and reflection.
    fn routes(&self, ready: &watch::Receiver<Readiness>) -> Result<tonic::service::Routes, StartError> {
        let health = HealthServer::new(HealthApi { readiness: ready.clone() });
        let mut routes = RoutesBuilder::default();
        routes.add_service(health);
        if self.options.reflection {
            let reflection = ServerReflectionServer::new(ReflectionApi::new()?);
            routes.add_service(reflection.clone()).add_service(ReflectionAlpha(reflection));
        }
        Ok(routes.routes().prepare())
    }
}

/// Maximum size of a response, in bytes. A batch of 1,000 articles may be large, but no response is unbounded.
const MAX_ANSWER_BYTES: usize = 256 << 20;
/// Maximum time of the last write of events of ingestion, and of that of reported reads.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks that no port is exposed by mistake.
fn check_exposure(options: &ServerOptions) -> Result<(), StartError> {
    let address = options.listen;
    let calls = bind_policy::of_calls(address, options.tls.is_some(), options.authenticates(), options.insecure);
    let metrics = options.http_listen.map_or(BindPolicy::Allow, bind_policy::of_metrics);
    for policy in [calls, metrics] {
        match policy {
            BindPolicy::Allow => {}
            BindPolicy::Warn(message) => tracing::warn!("{message}"),
            BindPolicy::Refuse => return Err(StartError::Exposed { address }),
        }
    }
    Ok(())
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|cause| StartError::Listen { setting, address, cause })
}

/// Returns the paths of all methods, for metrics.
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
