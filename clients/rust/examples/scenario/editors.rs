//! Steps of the scenario that editors make: they withdraw articles and copies, and read withdrawn ones and
//! revisions.

use std::error::Error;

use copydesk_client::proto::document::Payload;
use copydesk_client::proto::{
    Article, DiffArticleRevisionsRequest, Document, GetArticleRequest, IngestArticleRequest, IngestedArticle,
    ListArticleCopiesRequest, ListArticleRevisionsRequest, WithdrawArticleRequest, WithdrawScope,
};
use tonic::Status;

use crate::problem::Problem;
use crate::{Outcome, Scenario, failure, fresh, fully_consistent};

impl Scenario {
    /// Returns the withdrawn article.
    pub(crate) async fn withdraw_by_url(&self) -> Result<Article, Box<dyn Error>> {
        let request = WithdrawArticleRequest {
            // Scheme, `www.` and tracking parameters do not matter.
            url: "http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario".into(),
            reason: "The board has not voted yet.".into(),
            ..Default::default()
        };
        let withdrawn = self.withdraw(request).await?;
        let item = self.items.get(1).ok_or("the feed contains less than two items")?;
        let problem = self.rejection(&item.url, &item.headline, &item.body).await?;
        let state = withdrawn.state().as_str_name();
        println!("16 withdraw {state} again={} reason={}", problem.code, problem.reason);
        Ok(withdrawn)
    }

    pub(crate) async fn withdraw_early(&self) -> Outcome {
        let url = "https://tidewire.example/pilots";
        // The withdrawal arrives before the article.
        let request = WithdrawArticleRequest {
            url: url.into(),
            allow_missing: true,
            reason: "Sent by mistake.".into(),
            ..Default::default()
        };
        let withdrawn = self.withdraw(request).await?;
        let body = "The pilots of Port Ellery will strike on Friday.";
        let problem = self.rejection(url, "Pilots to strike", body).await?;
        let state = withdrawn.state().as_str_name();
        println!("16 withdraw-early {state} arrival={} reason={}", problem.code, problem.reason);
        Ok(())
    }

    async fn withdraw(&self, request: WithdrawArticleRequest) -> Result<Article, Status> {
        let response = self.client.editorial.clone().withdraw_article(request).await?;
        Ok(response.into_inner().article.unwrap_or_default())
    }

    async fn rejection(&self, url: &str, headline: &str, body: &str) -> Result<Problem, &'static str> {
        failure(self.ingest_ready(url, headline, body).await)
    }

    async fn ingest_ready(&self, url: &str, headline: &str, body: &str) -> Result<IngestedArticle, Status> {
        let article = Article { headline: headline.into(), body: body.into(), ..Article::default() };
        let payload = Some(Payload::Article(article));
        let document = Some(Document { payload, url: url.into(), ..Document::default() });
        let request = IngestArticleRequest { document, ..Default::default() };
        let response = self.client.ingestion.clone().ingest_article(request).await?;
        Ok(response.into_inner().into_first().unwrap_or_default())
    }

    pub(crate) async fn any_state(&self, withdrawn: &Article) -> Outcome {
        let mut retrieval = self.client.retrieval.clone();
        // Requires the scope `articles.edit` if authentication is on.
        let request = GetArticleRequest {
            name: withdrawn.name.clone(),
            any_state: true,
            consistency: fresh(withdrawn),
            ..Default::default()
        };
        let article = retrieval.get_article(request).await?.into_inner().article.unwrap_or_default();
        let request =
            ListArticleRevisionsRequest { parent: withdrawn.name.clone(), any_state: true, ..Default::default() };
        let revisions = retrieval.list_article_revisions(request).await?.into_inner().revisions;
        let newest = revisions.first().ok_or("the article has no revisions")?;
        let (state, kind) = (article.state().as_str_name(), newest.kind().as_str_name());
        println!("17 any-state {state} {kind} reason={:?}", newest.reason);
        Ok(())
    }

    pub(crate) async fn diff(&self) -> Outcome {
        let request = DiffArticleRevisionsRequest {
            // The default of `base_revision` is the revision before.
            name: format!("{}/revisions/{}", self.page.name, self.page.revision),
            consistency: fresh(&self.page),
            ..Default::default()
        };
        let diff = self.client.retrieval.clone().diff_article_revisions(request).await?.into_inner();
        for field in diff.fields {
            println!("19 diff {} old={:?} new={:?}", field.path, field.old_value, field.new_value);
        }
        Ok(())
    }

    /// Returns the article that was copied.
    pub(crate) async fn copies(&self) -> Result<Article, Box<dyn Error>> {
        let text = std::fs::read_to_string(self.data.join("channel.txt"))?;
        let first = self.ingest_ready("https://wire.example/channel", "Wire story", &text).await?;
        let wire = first.article.unwrap_or_default();
        let body = format!("{}\n\nThis story was supplied by a wire.", wire.body);
        let second = self.ingest_ready("https://mirror.example/channel", "Under another headline", &body).await?;
        let request =
            ListArticleCopiesRequest { name: wire.name.clone(), consistency: fully_consistent(), ..Default::default() };
        let copies = self.client.retrieval.clone().list_article_copies(request).await?.into_inner().copies;
        let kind = copies.first().ok_or("the article has no copies")?.kind().as_str_name();
        println!("25 copies outcome={} count={} kind={kind}", second.outcome().as_str_name(), copies.len());
        Ok(wire)
    }

    pub(crate) async fn kill(&self, wire: &Article) -> Outcome {
        let request = WithdrawArticleRequest {
            name: wire.name.clone(),
            // Holds for the copies that exist, and for those that arrive later.
            scope: WithdrawScope::Copies.into(),
            reason: "The wire has withdrawn it.".into(),
            ..Default::default()
        };
        let copies = self.client.editorial.clone().withdraw_article(request).await?.into_inner().copies;
        let outcome = copies.first().ok_or("no copy was withdrawn")?.outcome().as_str_name();
        let late = self.rejection("https://late.example/channel", "Late copy", &wire.body).await?;
        println!("26 kill copies={} outcome={outcome} late={} reason={}", copies.len(), late.code, late.reason);
        Ok(())
    }
}
