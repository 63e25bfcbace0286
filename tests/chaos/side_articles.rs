//! Side articles: a writer creates some during the run, changes them like the others, and merges or purges them.

use std::sync::atomic::Ordering;

use copydesk::proto::*;
use tonic::Status;

use crate::history::{State, name};
use crate::readers::mask;
use crate::writers::{Desk, Sent, Way, Writer, patient};

impl Writer {
    pub async fn create_side_article(&mut self) {
        self.desks.push(Desk::new(self.run.history.add()));
        self.change(self.desks.len() - 1, ChangeKind::Created, Way::Document).await;
    }

    /// Merges a side article into another one. The next document at one of its addresses revises that one.
    pub async fn merge_side_article(&mut self) {
        let Some(from) = self.side_article(|state| state == State::Live) else { return };
        let to = self.random.below(self.desks.len());
        if to == from || self.run.history.standing(self.desks[to].article).1 != State::Live {
            return;
        }
        let (article, heir) = (self.desks[from].article, self.desks[to].article);
        self.run.history.leads_to(article, heir);
        self.change(from, ChangeKind::Merged, Way::Merge(to)).await;
        self.run.report.merges.fetch_add(1, Ordering::Relaxed);
        let merged = self.desks.remove(from);
        let at = self.desks.iter().position(|desk| desk.article == heir).expect("the heir stays");
        self.desks[at].addresses.extend(merged.addresses);
        // Its newest address is among the first to be used.
        self.change(at, ChangeKind::Revised, Way::Document).await;
    }

    pub async fn purge_side_article(&mut self) {
        let Some(at) = self.side_article(|_| true) else { return };
        self.change(at, ChangeKind::Purged, Way::Editor).await;
        self.run.report.purges.fetch_add(1, Ordering::Relaxed);
        let purged = self.desks.remove(at);
        self.purged.push(purged);
    }

    /// Draws a side article. None if it is in no suitable state.
    fn side_article(&mut self, is_suitable: impl Fn(State) -> bool) -> Option<usize> {
        let sides = self.desks.len() - self.mains;
        let at = self.mains + self.random.below(sides.max(1));
        let desk = self.desks.get(at)?;
        is_suitable(self.run.history.standing(desk.article).1).then_some(at)
    }

    /// Sends a merge. Returns the merged article, of which the response has nothing.
    pub async fn send_merge(&self, at: usize, to: usize, server: usize) -> Result<Option<Article>, Status> {
        let (merged, heir) = (&self.desks[at], &self.desks[to]);
        let client = self.run.system.client(server);
        let (mut editorial, mut retrieval) = (client.editorial, client.retrieval);
        let request = MergeArticlesRequest {
            name: name(heir.article),
            source_articles: vec![name(merged.article)],
            etag: heir.etag.clone(),
            ..Default::default()
        };
        editorial.merge_articles(patient(request)).await?;
        self.run.history.answered(merged.article, None);
        let requirement = Some(consistency::Requirement::FullyConsistent(true));
        let message = GetArticleRequest {
            name: name(merged.article),
            any_state: true,
            read_mask: mask(&["name", "revision", "etag", "change_token", "successor"]),
            consistency: Some(Consistency { requirement }),
            ..Default::default()
        };
        let found = retrieval.get_article(patient(message)).await?.into_inner().article;
        if let Some(found) = &found
            && found.successor != name(heir.article)
        {
            let (merged, heir) = (name(merged.article), name(heir.article));
            self.run.report.violation(&format!("{merged} was merged into {heir}, and leads to {:?}", found.successor));
        }
        Ok(found)
    }

    /// Draws a change to an earlier revision with another text. None if there is none.
    pub fn begin_rollback(&mut self, at: usize) -> Option<Sent> {
        let article = self.desks[at].article;
        let (_, _, current) = self.run.history.standing(article);
        let changes = self.run.history.changes(article);
        let others: Vec<usize> = (0..changes.len()).filter(|at| changes[*at].edition != current).collect();
        let past = *others.get(self.random.below(others.len().max(1)))?;
        let edition = changes[past].edition;
        let revision = self.run.history.begin(article, ChangeKind::Revised, edition);
        let way = Way::Rollback(past as i64 + 1);
        Some(Sent { kind: ChangeKind::Revised, edition, revision, way, address: self.address(at) })
    }

    pub async fn roll_back(&mut self, at: usize) {
        if let Some(sent) = self.begin_rollback(at) {
            self.settle(at, &sent, 0).await;
            self.run.report.rollbacks.fetch_add(1, Ordering::Relaxed);
        }
    }
}
