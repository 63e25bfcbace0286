//! Who is told of each write, also when whoever asked for it has left by then: what is done must not depend on that being seen.

use std::sync::Arc;

use super::Ingestion;
use crate::article::ArticleId;
use crate::store::{StoreError, Write, WriteError, Written};
use crate::telemetry::trace::{here, within};

/// Is told of a write of an article, and what became of it.
pub type Witness = Arc<dyn Fn(&ArticleId, &Result<Written, WriteError>) + Send + Sync>;

impl Ingestion {
    /// The same, whose writes are witnessed.
    pub fn witnessed(&self, witness: Witness) -> Self {
        Self { witness: Some(witness), ..self.clone() }
    }

    /// Writes in the order given. What is witnessed goes on when the caller leaves.
    pub(super) async fn store(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let Some(witness) = self.witness.clone() else { return self.store.write(writes).await };
        let ids: Vec<ArticleId> = writes.iter().map(|write| write.id().clone()).collect();
        let (store, count) = (Arc::clone(&self.store), ids.len());
        let writing = async move {
            let answers = store.write(writes).await;
            ids.iter().zip(&answers).for_each(|(id, answer)| witness(id, answer));
            answers
        };
        match tokio::spawn(within(here(), writing)).await {
            Ok(answers) => answers,
            // The panic hook has logged it; otherwise the process ends.
            Err(_ended) => vec![Err(StoreError::Internal.into()); count],
        }
    }
}
