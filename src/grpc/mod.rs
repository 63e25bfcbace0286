//! The edge: Protobuf to domain and back, errors to statuses. One file for each service; a method holds no logic of its own.

mod convert;
mod ingestion;
mod retrieval;
pub mod status;

/// The generated servers. Their responses hold articles as encoded bytes: see `build.rs`.
pub mod served {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/served/copydesk.v1.rs"));
}

pub use ingestion::IngestionApi;
pub use retrieval::RetrievalApi;

use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// The metadata that says who answered a read.
pub const CACHE_METADATA: &str = "copydesk-cache";

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A stream that ends with UNAVAILABLE when the server stops.
fn until_stopped<T: Send + 'static>(
    stopping: &CancellationToken,
    stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> Outgoing<T> {
    let ended = stopping.clone();
    // Only a stream that was cut short has something more to say.
    let farewell = stream::once(async move { ended.is_cancelled().then(|| Err(status::stopping())) });
    let farewell = farewell.filter_map(std::future::ready);
    Box::pin(stream.take_until(stopping.clone().cancelled_owned()).chain(farewell))
}
