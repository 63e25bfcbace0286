//! The article that a command is about.

use clap::Args;

use super::connection::Connected;
use super::failure::Failure;
use crate::proto::lookup_article_request::Key;
use crate::proto::{
    Article, Consistency, ExternalKey, GetArticleRequest, LookupArticleRequest, consistency::Requirement,
};

/// An article by name, URL or publisher's ID.
#[derive(Args)]
#[group(skip)]
pub(super) struct Target {
    /// Name of the article: {article} or articles/{article}
    #[arg(required_unless_present_any = ["url", "external_id"])]
    pub(super) name: Option<String>,
    /// Any URL of the article
    #[arg(long, conflicts_with_all = ["name", "external_id"])]
    pub(super) url: Option<String>,
    /// Publisher's ID of the article; requires --source
    #[arg(long, requires = "source", conflicts_with = "name")]
    external_id: Option<String>,
    /// Publisher's host or name; requires --external-id
    #[arg(long, requires = "external_id")]
    source: Option<String>,
}

impl Target {
    /// Returns the name, or an empty text if the article is named by a key.
    pub(super) fn name(&self) -> String {
        self.name.as_deref().map(full_name).unwrap_or_default()
    }

    /// Returns the publisher's ID, if the article is named by it.
    pub(super) fn external(&self) -> Option<ExternalKey> {
        let (external_id, source) = self.external_id.clone().zip(self.source.clone())?;
        Some(ExternalKey { source, external_id })
    }

    /// Reads the article from the store, in any state.
    pub(super) async fn read(&self, client: &mut Connected) -> Result<Article, Failure> {
        let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) });
        let key = self.url.clone().map(Key::Url).or(self.external().map(Key::External));
        let found = match key {
            Some(key) => {
                let request =
                    LookupArticleRequest { key: Some(key), consistency, any_state: true, ..Default::default() };
                client.retrieval.lookup_article(request).await?.into_inner().article
            }
            None => {
                let name = self.name();
                let request = GetArticleRequest { name, consistency, any_state: true, ..Default::default() };
                client.retrieval.get_article(request).await?.into_inner().article
            }
        };
        found.ok_or_else(|| Failure::failed("the response contains no article"))
    }

    /// Returns the name, looked up if the article is named by a key.
    pub(super) async fn resolve(&self, client: &mut Connected) -> Result<String, Failure> {
        if self.name.is_some() { Ok(self.name()) } else { Ok(self.read(client).await?.name) }
    }
}

/// Returns the full name of an article.
pub(super) fn full_name(name: &str) -> String {
    if name.starts_with("articles/") { name.to_owned() } else { format!("articles/{name}") }
}
