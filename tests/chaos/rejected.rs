//! Documents that must change nothing: late copies, and documents of withdrawn and purged articles. Each is sent once.

use std::sync::atomic::Ordering;

use copydesk::proto::*;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::documents::{Address, copy_elsewhere, document};
use crate::history::name;
use crate::readers::brief;
use crate::writers::{Desk, Writer, patient};

impl Writer {
    /// Sends a copy of the article from before its first edition: it is stale.
    pub async fn ingest_late_copy(&mut self, at: usize) {
        let address = self.address(at);
        let desk = &self.desks[at];
        match self.ingest_once(desk, document(desk.article, 0, address)).await {
            Ok(answer) if answer.outcome() == IngestOutcome::Stale => {}
            Ok(answer) => self.violation(desk, &format!("a late copy was {:?}", answer.outcome())),
            Err(status) => self.is_refused(desk, &status, None),
        }
    }

    /// Sends a newer document of a withdrawn article, which is rejected under each of its keys.
    pub async fn ingest_withdrawn(&mut self, at: usize) {
        let address = self.address(at);
        let desk = &self.desks[at];
        match self.ingest_once(desk, document(desk.article, desk.edition + 1, address)).await {
            Ok(answer) => self.violation(desk, &format!("a withdrawn article was {:?}", answer.outcome())),
            Err(status) => self.is_refused(desk, &status, Some("ARTICLE_WITHDRAWN")),
        }
    }

    /// Sends a document of a purged article: a newer one under one of its keys, or the text of one of its editions at
    /// another address. Both are rejected.
    pub async fn ingest_purged(&mut self) {
        if self.purged.is_empty() {
            return;
        }
        let desk = self.purged[self.random.below(self.purged.len())].clone();
        let document = if self.random.chance(60) {
            let (article, spelling) = (desk.addresses[self.random.below(desk.addresses.len())], self.random.below(4));
            document(desk.article, desk.edition + 1, Address { article, spelling })
        } else {
            copy_elsewhere(desk.article, 1 + self.random.below(desk.edition as usize) as u32)
        };
        match self.ingest_once(&desk, document).await {
            Ok(answer) => self.violation(&desk, &format!("a purged article was {:?}", answer.outcome())),
            Err(status) => self.is_refused(&desk, &status, Some("ARTICLE_PURGED")),
        }
    }

    async fn ingest_once(&self, desk: &Desk, document: Document) -> Result<IngestedArticle, Status> {
        let mut to = self.run.system.client(desk.article % crate::system::SERVERS).ingestion;
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        to.ingest_article(patient(request)).await.map(|response| response.into_inner().into_first().unwrap_or_default())
    }

    /// Checks that a document was rejected for the expected reason, or by a fault.
    fn is_refused(&self, desk: &Desk, status: &Status, expected: Option<&str>) {
        match status.code() {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::ResourceExhausted => return self.run.is_defect(status),
            _ => {}
        }
        let reason = status.get_details_error_info().map(|info| info.reason);
        if status.code() == Code::FailedPrecondition && reason.as_deref() == expected {
            self.run.report.rejected.fetch_add(1, Ordering::Relaxed);
        } else {
            self.violation(desk, &brief(status));
        }
    }

    fn violation(&self, desk: &Desk, what: &str) {
        self.run.report.violation(&format!("{}: {what}", name(desk.article)));
    }
}
