//! gRPC layer: converts Protobuf to the domain and back, and errors to statuses. One file per service; methods contain
//! no business logic.

mod audited_writes;
mod caller_meter;
mod compression;
mod connection_shutdown;
mod convert;
mod editorial;
mod ingestion;
mod reflection;
mod retrieval;
pub mod status;

/// Generated servers. Their responses hold articles as encoded bytes: see `build.rs`.
pub mod served {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/served/copydesk.v1.rs"));
}

pub use compression::{Compression, without_defective_compression};
pub use connection_shutdown::ConnectionShutdown;
pub use editorial::EditorialApi;
pub use ingestion::IngestionApi;
pub(crate) use ingestion::failure_status;
pub use reflection::{ReflectionAlpha, ReflectionApi};
pub use retrieval::RetrievalApi;

use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use tonic::Status;

/// Metadata key with the layer that answered a read.
pub const CACHE_METADATA: &str = "copydesk-cache";

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Ends a stream with UNAVAILABLE when its connection ends.
fn until_shutdown<T: Send + 'static>(
    closing: ConnectionShutdown,
    stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> Outgoing<T> {
    Box::pin(with_stopping_status(closing.clone(), stream.take_until(closing.started())))
}

/// Appends UNAVAILABLE to a stream if its connection has ended by then.
fn with_stopping_status<T>(
    closing: ConnectionShutdown,
    stream: impl Stream<Item = Result<T, Status>>,
) -> impl Stream<Item = Result<T, Status>> {
    let stopping = stream::once(async move { closing.has_started().then(|| Err(status::stopping())) });
    stream.chain(stopping.filter_map(std::future::ready))
}
