//! One story, and its articles.

use std::sync::Arc;

use jiff::Timestamp;

use super::page_token::RequestDigest;
use super::{Audience, Retrieval, RetrieveError, page_size};
use crate::article::{ArticleId, EncodedArticle, Position, ReadMask, Record, StoryId, Violations, to_proto};
use crate::proto::{ArticleView, GetStoryRequest, ListStoryArticlesRequest, Story};
use crate::store::{Consistency, ListCursor, StoreError, StoryMember};
use crate::stories::{Counted, Facts, Names, Stories, Summary, Texts};

const DEFAULT_PAGE_SIZE: usize = 20;
const MAX_PAGE_SIZE: usize = 100;
/// Maximum number of articles of a story that are counted and listed: those whose memberships changed first.
const MAX_ARTICLES: usize = 1_000;
/// Number of articles that are read at a time.
const BATCH: usize = 200;
/// End of the name of an article's story.
const OF_ARTICLE: &str = "/story";

/// Page of the articles of a story.
#[derive(Clone, Debug)]
pub struct StoryArticles {
    /// Articles with the fields of the read mask, earliest first.
    pub articles: Vec<EncodedArticle>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
}

/// Readable articles of a story, earliest first.
struct Read {
    id: StoryId,
    articles: Vec<(Counted, Arc<Record>)>,
}

impl Retrieval {
    /// Returns the stories of this server.
    pub(super) fn recent_stories(&self) -> Result<&Arc<Stories>, RetrieveError> {
        self.stories.as_ref().ok_or(RetrieveError::StoriesOff)
    }

    /// Reads one story, or that of an article.
    pub async fn story(&self, request: &GetStoryRequest) -> Result<Story, RetrieveError> {
        self.recent_stories()?;
        let name = request.name.as_str();
        let not_found = || RetrieveError::StoryNotFound(name.to_owned());
        let invalid = |expected| RetrieveError::from(Violations::one("name", expected));
        let id = match name.strip_suffix(OF_ARTICLE).filter(|name| name.starts_with("articles/")) {
            Some(article) => {
                let id = ArticleId::from_name(article).map_err(invalid)?;
                self.record_for(article, &id, Audience::Readers, Consistency::Bounded).await?;
                self.store.stories_of(&[id]).await?.pop().flatten().ok_or_else(not_found)?
            }
            None => StoryId::from_name(name).map_err(invalid)?,
        };
        summarize(&self.read_story(id).await?)?.ok_or_else(not_found)
    }

    /// Returns a story with the given memberships, as an editor has decided. Its counts, times and lead are those of
    /// the readable articles; without any it has only its name.
    pub async fn edited_story(&self, id: StoryId, members: Vec<StoryMember>) -> Result<Story, RetrieveError> {
        let read = self.read_members(id, members).await?;
        Ok(summarize(&read)?.unwrap_or_else(|| Story { name: id.name(), ..Story::default() }))
    }

    /// Reads a page of the articles of a story.
    pub async fn story_articles(&self, request: &ListStoryArticlesRequest) -> Result<StoryArticles, RetrieveError> {
        self.recent_stories()?;
        let mut violations = Violations::default();
        let digest = RequestDigest::of(
            "ListStoryArticles",
            self.store.feed_id(),
            &ListStoryArticlesRequest { page_size: 0, page_token: String::new(), ..request.clone() },
        );
        let id = StoryId::from_name(&request.parent).map_err(|expected| violations.add("parent", expected)).ok();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Basic)
            .map_err(&mut note)
            .ok();
        let from = digest.article(&request.page_token).map_err(&mut note).ok();
        let (Some(id), Some(size), Some(mask), Some(from)) = (id, size, mask, from) else {
            return Err(violations.into());
        };
        let read = self.read_story(id).await?;
        if read.articles.is_empty() {
            return Err(RetrieveError::StoryNotFound(request.parent.clone()));
        }
        let after = from.map(|from| (from.after.sort_time.as_microsecond(), from.after.id));
        let is_after =
            |counted: &Counted| after.as_ref().is_none_or(|(time, id)| (counted.time, &counted.id) > (*time, id));
        let mut rest = read.articles.iter().filter(|(counted, _)| is_after(counted));
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let last = page.last().filter(|_| rest.next().is_some()).map(|(counted, _)| ListCursor {
            id: counted.id.clone(),
            sort_time: Timestamp::from_microsecond(counted.time).unwrap_or_default(),
            position: Position::START,
        });
        let articles = page.iter().filter_map(|(_, record)| self.shown(record, &[], &mask));
        let articles = articles.map(|article| if mask.has_story() { article.with_story(&read.id) } else { article });
        Ok(StoryArticles {
            articles: articles.collect(),
            next_page_token: last.map_or_else(String::new, |last| digest.after_article(last, Position::START)),
        })
    }

    /// Reads the readable articles of a story, or of the one that it has become part of.
    async fn read_story(&self, id: StoryId) -> Result<Read, RetrieveError> {
        let id = self.store.merged_into(id).await?.unwrap_or(id);
        let members = self.store.story_members(id, 0, MAX_ARTICLES).await?;
        self.read_members(id, members.into_iter().map(|numbered| numbered.member).collect()).await
    }

    /// Reads the readable articles of a story with the given memberships.
    async fn read_members(&self, id: StoryId, members: Vec<StoryMember>) -> Result<Read, RetrieveError> {
        let mut found = Vec::new();
        for batch in members.chunks(BATCH) {
            let ids: Vec<ArticleId> = batch.iter().map(|member| member.article.clone()).collect();
            let records = self.store.get(&ids, Consistency::Bounded).await?;
            let now = Timestamp::now();
            for (member, fetched) in batch.iter().zip(records) {
                let record = fetched.record.filter(|record| record.readable(now).is_ok());
                found.extend(record.map(|record| (member.report.clone(), record)));
            }
        }
        let counted = tokio::task::spawn_blocking(move || count(found)).await.map_err(|_| StoreError::Internal)?;
        Ok(Read { id, articles: counted? })
    }
}

/// Returns a story with its readable articles. None if there is none.
fn summarize(read: &Read) -> Result<Option<Story>, RetrieveError> {
    let Some(summary) = Summary::of(read.id, read.articles.iter().map(|(counted, _)| counted)) else {
        return Ok(None);
    };
    let lead = summary.articles.first().and_then(|lead| read.articles.iter().find(|(it, _)| it.id == *lead));
    let lead = lead.map(|(_, record)| record).ok_or(StoreError::Internal)?;
    let headline = lead.decode().map_err(|_| StoreError::Damaged)?.headline;
    Ok(Some(story(&summary, &lead.id, headline)))
}

/// Returns articles as they are counted, given the stored facts about each. Their texts are compared again, since not
/// all may have stored ones.
fn count(found: Vec<(Vec<u8>, Arc<Record>)>) -> Result<Vec<(Counted, Arc<Record>)>, StoreError> {
    let mut articles = Vec::with_capacity(found.len());
    for (report, record) in found {
        let stored = Facts::decoded(&report).filter(|facts| facts.digest == record.digest.0);
        let facts = match stored {
            Some(facts) => facts,
            None => Facts::of(&record, &record.decode().map_err(|_| StoreError::Damaged)?, Timestamp::now()),
        };
        articles.push((facts, record));
    }
    articles.sort_by(|(one, of), (other, than)| (one.time, &of.id).cmp(&(other.time, &than.id)));
    let (mut names, mut texts) = (Names::default(), Texts::default());
    let counted = articles.into_iter().zip(1..).map(|((facts, record), number)| {
        let mut facts = Facts { number, ..facts };
        facts.text = texts.text_of(0, &facts);
        texts.add(0, &facts);
        (Counted::of(record.id.clone(), &facts, &mut names), record)
    });
    Ok(counted.collect())
}

/// Returns a story with its lead article.
pub(super) fn story(summary: &Summary, lead: &ArticleId, headline: String) -> Story {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let time = |micros: i64| Timestamp::from_microsecond(micros).ok().map(to_proto);
    Story {
        name: summary.id.name(),
        lead_article: lead.name(),
        headline,
        article_count: count(summary.article_count),
        source_count: count(summary.source_count),
        copy_count: count(summary.copy_count),
        first_time: time(summary.first_time),
        latest_time: time(summary.latest_time),
        language_codes: summary.languages.clone(),
    }
}
