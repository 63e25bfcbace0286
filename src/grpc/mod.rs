//! gRPC layer: converts Protobuf to the domain and back, and errors to statuses. One file per service; methods contain
//! no business logic.

mod convert;
mod ending;
mod ingestion;
mod rated;
mod retrieval;
pub mod status;

/// Generated servers. Their responses hold articles as encoded bytes: see `build.rs`.
pub mod served {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/served/copydesk.v1.rs"));
}

pub use ending::Ending;
pub use ingestion::IngestionApi;
pub(crate) use ingestion::failure_status;
pub use retrieval::RetrievalApi;

use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use tonic::Status;

/// Metadata key with the layer that answered a read.
pub const CACHE_METADATA: &str = "copydesk-cache";

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Ends a stream with UNAVAILABLE when its connection ends.
fn until_ended<T: Send + 'static>(
    ending: Ending,
    stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> Outgoing<T> {
    Box::pin(with_farewell(ending.clone(), stream.take_until(ending.come())))
}

/// Appends UNAVAILABLE to a stream if its connection has ended by then.
fn with_farewell<T>(
    ending: Ending,
    stream: impl Stream<Item = Result<T, Status>>,
) -> impl Stream<Item = Result<T, Status>> {
    let farewell = stream::once(async move { ending.has_come().then(|| Err(status::stopping())) });
    stream.chain(farewell.filter_map(std::future::ready))
}
