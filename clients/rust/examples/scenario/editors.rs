//! Steps of the scenario that editors make: they withdraw articles, and read withdrawn ones and revisions.

use std::error::Error;

use copydesk_client::proto::document::Payload;
use copydesk_client::proto::{
    Article, DiffArticleRevisionsRequest, Document, GetArticleRequest, IngestArticleRequest,
    ListArticleRevisionsRequest, WithdrawArticleRequest,
};
use tonic::Status;

use crate::problem::Problem;
use crate::{Outcome, Scenario, failure, fresh};

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
        let article = Article { headline: headline.into(), body: body.into(), ..Article::default() };
        let payload = Some(Payload::Article(article));
        let document = Some(Document { payload, url: url.into(), ..Document::default() });
        let request = IngestArticleRequest { document, ..Default::default() };
        failure(self.client.ingestion.clone().ingest_article(request).await)
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
}
