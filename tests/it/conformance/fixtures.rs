//! Invented articles, and helpers to write and read them.

use std::sync::Arc;

use copydesk::article::{
    ArticleId, ChangeKind, CleanArticle, Digest, EditorFields, Filter, Key, Limits, Position, Record, SourceVersion,
    StatedKey, Trust, to_proto,
};
use copydesk::proto::{Article, ArticleFilter};
use copydesk::store::{
    Authority, Change, Consistency, Ingest, IngestSource, LateCopies, ListCursor, ListPage, ListQuery, Merge, Order,
    OrderField, Precondition, RequestKey, Store, Transition, Update, Write, WriteError, Written,
};
use jiff::Timestamp;
use prost::Message;

/// Returns a time some seconds after the tests' epoch.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub fn proto_at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(to_proto(at(seconds)))
}

pub fn id(text: &str) -> ArticleId {
    text.parse().unwrap()
}

pub fn clean(article: Article) -> CleanArticle {
    CleanArticle::new(article, &Limits::default()).unwrap()
}

/// Returns an article with a headline and no text.
pub fn titled(headline: &str) -> Article {
    Article { headline: headline.into(), ..Article::default() }
}

/// Fields of an article as the unreleased version 0.1.0 stored them.
#[derive(Clone, PartialEq, prost::Message)]
struct FormerArticle {
    #[prost(string, tag = "6")]
    headline: String,
    #[prost(string, repeated, tag = "8")]
    authors: Vec<String>,
    #[prost(message, optional, tag = "22")]
    embargo_time: Option<prost_types::Timestamp>,
}

/// Returns a content as the unreleased version 0.1.0 encoded it. It has these fields only.
pub fn former_content(content: &[u8]) -> Vec<u8> {
    let Article { headline, authors, embargo_time, .. } = Article::decode(content).unwrap();
    FormerArticle { headline, authors: authors.into_iter().map(|author| author.name).collect(), embargo_time }
        .encode_to_vec()
}

/// A publisher's document whose author may hide articles.
pub const ADMIN: IngestSource = IngestSource::Publisher(Authority::Admin);

pub fn ingest(name: &str, article: Article, time: Timestamp) -> Write {
    ingest_from(ADMIN, name, article, time)
}

pub fn ingest_from(from: IngestSource, name: &str, article: Article, time: Timestamp) -> Write {
    Write::Ingest(Box::new(named(name, clean(article), from, time)))
}

/// A document with a name, and the keys that its article's fields state.
fn named(name: &str, article: CleanArticle, from: IngestSource, time: Timestamp) -> Ingest {
    let fields = article.article();
    let external = (!fields.external_id.is_empty()).then(|| Key::external(&fields.source, &fields.external_id));
    let keys = Key::address(&fields.url).into_iter().chain(external);
    let keys = keys.map(|key| StatedKey { key, trust: Trust::Certain }).collect();
    let version = SourceVersion::arrived(time);
    let (late_copies, request, original, note) = (LateCopies::Reject, None, None, String::new());
    Ingest { id: id(name), is_named: true, keys, article, version, request, from, late_copies, original, note, time }
}

pub fn request(name: &str, article: Article, request: &str, time: Timestamp) -> Write {
    let article = clean(article);
    let request = Some(RequestKey { id: request.into(), item: 0, digest: Digest::of_bytes(article.content()) });
    Write::Ingest(Box::new(Ingest { request, ..named(name, article, ADMIN, time) }))
}

pub fn update(name: &str, article: Article, precondition: Precondition, time: Timestamp) -> Write {
    update_of(EditorFields::NONE, Authority::Admin, name, article, precondition, time)
}

/// A correction whose mask names these fields.
pub fn update_of(
    editor_fields: EditorFields,
    authority: Authority,
    name: &str,
    article: Article,
    precondition: Precondition,
    time: Timestamp,
) -> Write {
    let (article, reason) = (clean(article), "the desk's correction".to_owned());
    Write::Update(Box::new(Update {
        id: id(name),
        article,
        reprocessed: None,
        editor_fields,
        authority,
        precondition,
        reason,
        request: None,
        time,
    }))
}

pub fn transition(name: &str, kind: ChangeKind, time: Timestamp) -> Write {
    transition_if(name, kind, Precondition::None, time)
}

pub fn transition_if(name: &str, kind: ChangeKind, precondition: Precondition, time: Timestamp) -> Write {
    let reason = "the desk's decision".to_owned();
    Write::Transition(Transition {
        id: id(name),
        key: None,
        missing: None,
        kind,
        with_copies: false,
        precondition,
        reason,
        request: None,
        time,
    })
}

pub fn merge(name: &str, sources: &[&str], time: Timestamp) -> Write {
    Write::Merge(Box::new(Merge {
        id: id(name),
        sources: sources.iter().map(|source| id(source)).collect(),
        precondition: Precondition::None,
        reason: "one story".to_owned(),
        request: None,
        is_copy: false,
        time,
    }))
}

/// Writes one.
pub async fn write(store: &Arc<dyn Store>, write: Write) -> Result<Written, WriteError> {
    let mut answers = store.write(vec![write]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Reads the newest revision, as fresh as the feed.
pub async fn get(store: &Arc<dyn Store>, name: &str) -> Option<Arc<Record>> {
    let head = store.head().await.unwrap();
    let mut fetched = store.get(&[id(name)], Consistency::AtLeast(head)).await.unwrap();
    assert_eq!(fetched.len(), 1);
    fetched.remove(0).record
}

/// Reads the whole feed.
pub async fn feed(store: &Arc<dyn Store>) -> Vec<Change> {
    store.changes(Position::START, 10_000).await.unwrap()
}

/// Applies transitions until no more are due. Returns the number of changes.
pub async fn turn(store: &Arc<dyn Store>, now: Timestamp) -> usize {
    let mut turned = 0;
    loop {
        match store.apply_due_transitions(now).await.unwrap() {
            0 => return turned,
            count => turned += count,
        }
    }
}

/// Returns a query of a list's first page.
pub fn page(filter: ArticleFilter, field: OrderField, descending: bool, limit: usize, now: Timestamp) -> ListQuery {
    let filter = Filter::parse(Some(&filter)).unwrap();
    let (order, consistency) = (Order { field, descending }, Consistency::Bounded);
    ListQuery { filter, order, after: None, limit, examine: 1_000, now, consistency }
}

/// Reads all pages of a list.
pub async fn list(store: &Arc<dyn Store>, mut query: ListQuery) -> Vec<Arc<Record>> {
    let mut listed = Vec::new();
    loop {
        let ListPage { records, examined } = store.list(&query).await.unwrap();
        assert!(records.len() <= query.limit);
        let ended = records.len() < query.limit && examined.is_none();
        query.after = examined.as_ref().or(records.last()).map(|last| ListCursor::of(last));
        listed.extend(records);
        if ended {
            return listed;
        }
    }
}

pub fn names(records: &[Arc<Record>]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}
