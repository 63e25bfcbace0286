//! Full-text search.

use std::time::Duration;

use super::article_stories::with_stories;
use super::find::{Find, PageStart};
use super::page_token::RequestDigest;
use super::snippet::TextPart;
use super::story_choice::Shown;
use super::{Retrieval, RetrieveError, page_size, snippet};
use crate::article::{
    EncodedArticle, FieldSet, Filter, Highlights, Query, ReadMask, TextField, Violations, from_proto_duration,
};
use crate::proto::{self, ArticleView, SearchArticlesRequest, SearchField};
use crate::search::{Ranking, Recency, TimeKey};
use crate::store::StoreError;

const DEFAULT_PAGE_SIZE: usize = 20;
const MAX_PAGE_SIZE: usize = 100;
/// Maximum weight of recency.
const MAX_RECENCY_WEIGHT: f32 = 100.0;

/// Search result.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Article with the fields of the read mask.
    pub article: EncodedArticle,
    /// Relevance; higher is better.
    pub score: f32,
    /// Excerpt of the body.
    pub snippet: Vec<TextPart>,
    /// Headline.
    pub headline: Vec<TextPart>,
}

/// Page of search results.
#[derive(Clone, Debug)]
pub struct Results {
    /// Results, best first.
    pub hits: Vec<Hit>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
    /// Change token that the index had reached.
    pub index_token: String,
    /// Number of all matching articles, if requested.
    pub total_size: u64,
}

impl Retrieval {
    /// Reads a page of the articles that match a query.
    pub async fn search(&self, request: &SearchArticlesRequest) -> Result<Results, RetrieveError> {
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "SearchArticles",
            self.store.feed_id(),
            &SearchArticlesRequest { page_size: 0, page_token: String::new(), consistency: None, ..request.clone() },
        );
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let fields = fields(&request.fields).map_err(&mut note).unwrap_or_default();
        let query = parse_query(&request.query, &request.language_code, fields).map_err(&mut note).ok();
        let filter = Filter::parse(request.filter.as_ref()).map_err(&mut note).ok();
        let ranking = ranking(&request.order_by, request.recency.as_ref()).map_err(&mut note).ok();
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let from = digest.result(&request.page_token).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let (Some(query), Some(filter), Some(ranking), Some(size), Some(from), Some(mask), Some(consistency), true) =
            (query, filter, ranking, size, from, mask, consistency, violations.0.is_empty())
        else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        self.reach_index(consistency).await?;
        if request.include_total_size {
            self.reach_bound().await?;
        }
        let from = from.unwrap_or_else(PageStart::first);
        let states = filter.states.clone();
        let shown = Shown::First;
        let find = Find { query: Some(query.clone()), filter, ranking, shown, size, from, consistency };
        let found = self.find(find).await?;
        let ids = found.hits.iter().map(|(record, _)| &record.id);
        let stories = self.article_stories(with_stories(&mask, ids)).await?;
        let mut hits = Vec::with_capacity(found.hits.len());
        for (record, score) in &found.hits {
            let Some(article) = self.shown(record, &states, &mask) else { continue };
            let decoded = record.decode().map_err(|_| StoreError::Damaged)?;
            let highlights = |field| Highlights::new(&query, field, &decoded.language_code);
            hits.push(Hit {
                article: stories.add_to(&record.id, article),
                score: *score,
                snippet: snippet::snippet(&decoded.body, &highlights(TextField::Body)),
                headline: snippet::line(&decoded.headline, &highlights(TextField::Headline)),
            });
        }
        Ok(Results {
            hits,
            next_page_token: found.next.map_or_else(String::new, |next| digest.after_result(&next)),
            index_token: self.token(found.position),
            total_size: if request.include_total_size { found.total } else { 0 },
        })
    }
}

/// Parses a query in a language, if one is given.
pub(super) fn parse_query(text: &str, language_code: &str, fields: FieldSet) -> Result<Query, Violations> {
    let language = (!language_code.is_empty()).then_some(language_code);
    let is_tag = language_code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_tag || language_code.len() > 64 {
        return Err(Violations::one("language_code", "must be a BCP 47 language tag, such as en or pt-BR"));
    }
    Query::parse_in(text, "query", language, fields)
}

/// Parses the fields that are searched; the default ones if there are none.
pub(super) fn fields(requested: &[i32]) -> Result<FieldSet, Violations> {
    let mut fields = Vec::new();
    for (at, number) in requested.iter().enumerate() {
        fields.push(match SearchField::try_from(*number) {
            Ok(SearchField::Headline) => TextField::Headline,
            Ok(SearchField::Subheadline) => TextField::Subheadline,
            Ok(SearchField::Body) => TextField::Body,
            Ok(SearchField::Authors) => TextField::Authors,
            Ok(SearchField::Names) => TextField::Names,
            Ok(SearchField::Source) => TextField::Source,
            Ok(SearchField::Unspecified) | Err(_) => {
                return Err(Violations::one(format!("fields[{at}]"), "must be a SearchField"));
            }
        });
    }
    Ok(if fields.is_empty() { FieldSet::default() } else { FieldSet::of(&fields) })
}

fn ranking(order_by: &str, recency: Option<&proto::Recency>) -> Result<Ranking, Violations> {
    let mut words = order_by.split_whitespace();
    let key = match words.next() {
        None => None,
        Some("relevance") => None,
        Some("publish_time") => Some(TimeKey::Publish),
        Some("create_time") => Some(TimeKey::Create),
        Some("update_time") => Some(TimeKey::Update),
        Some(_) => return Err(bad_order()),
    };
    let direction = words.next();
    if words.next().is_some() {
        return Err(bad_order());
    }
    match (key, direction) {
        (None, None) => self::recency(recency).map(Ranking::Relevance),
        // AIP-132: ascending by default.
        (Some(key), None | Some("asc")) => Ok(Ranking::Time { key, descending: false }),
        (Some(key), Some("desc")) => Ok(Ranking::Time { key, descending: true }),
        _ => Err(bad_order()),
    }
}

fn bad_order() -> Violations {
    let expected = "must be relevance, or publish_time, create_time or update_time, optionally followed by asc or desc";
    Violations::one("order_by", expected)
}

fn recency(requested: Option<&proto::Recency>) -> Result<Recency, Violations> {
    let mut recency = Recency::default();
    let Some(proto::Recency { half_life, weight }) = requested else { return Ok(recency) };
    if let Some(half_life) = half_life {
        let half_life = from_proto_duration(half_life).filter(|half_life| *half_life >= Duration::from_millis(1));
        recency.half_life =
            half_life.ok_or_else(|| Violations::one("recency.half_life", "must be at least a millisecond"))?;
    }
    if let Some(weight) = weight {
        if !(0.0..=MAX_RECENCY_WEIGHT).contains(weight) {
            return Err(Violations::one("recency.weight", "must be from 0 to 100"));
        }
        recency.weight = *weight;
    }
    Ok(recency)
}
