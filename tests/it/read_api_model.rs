//! List, Watch and Export against a model, over random histories of writes.

use std::collections::BTreeMap;

use copydesk::proto::*;
use proptest::prelude::*;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;

use crate::test_server::{TestServer, invented, ready};

type Reads = retrieval_service_client::RetrievalServiceClient<Channel>;
type Writes = ingestion_service_client::IngestionServiceClient<Channel>;
type Edits = editorial_service_client::EditorialServiceClient<Channel>;

/// One write to one of a few articles.
#[derive(Clone, Debug)]
enum Step {
    /// Ingest the article's page as its publisher has it in this version.
    Ingest {
        article: usize,
        version: u8,
    },
    /// The desk corrects the headline.
    Correct {
        article: usize,
        version: u8,
    },
    Withdraw(usize),
    Reinstate(usize),
    Delete(usize),
    Undelete(usize),
}

/// Articles from here on are under an embargo that does not end.
const EMBARGOED: usize = 5;
const ARTICLES: usize = 7;

fn step() -> impl Strategy<Value = Step> {
    let article = 0..ARTICLES;
    prop_oneof![
        4 => (article.clone(), 0..3_u8).prop_map(|(article, version)| Step::Ingest { article, version }),
        2 => (article.clone(), 0..3_u8).prop_map(|(article, version)| Step::Correct { article, version }),
        1 => article.clone().prop_map(Step::Withdraw),
        1 => article.clone().prop_map(Step::Reinstate),
        1 => article.clone().prop_map(Step::Delete),
        1 => article.prop_map(Step::Undelete),
    ]
}

fn headline(article: usize, version: u8) -> String {
    format!("Ferry {article}, version {version}")
}

fn page(article: usize, version: u8) -> Article {
    let far = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    Article {
        headline: headline(article, version),
        embargo_time: (article >= EMBARGOED).then_some(far),
        ..invented(article)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Withdrawn,
    Deleted,
}

/// An article in the model.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    state: State,
    revision: i64,
    headline: String,
    /// The version ingested last.
    ingested: String,
}

/// One entry of the model's feed.
#[derive(Clone, Debug)]
struct Entry {
    article: usize,
    kind: ChangeKind,
    revision: i64,
    headline: String,
    /// Whether the article was live after it.
    live: bool,
    /// Whether it happened outside of an embargo.
    announced: bool,
}

/// A change as a watch returns it.
type WatchedChange = (String, ChangeKind, i64, Option<String>);

#[derive(Default)]
struct Model {
    articles: BTreeMap<usize, Known>,
    feed: Vec<Entry>,
}

impl Model {
    /// Applies a step; returns the expected status code.
    fn apply(&mut self, step: &Step) -> Code {
        let (article, kind, next) = match *step {
            Step::Ingest { article, version } => {
                let text = headline(article, version);
                let Some(known) = self.articles.get_mut(&article) else {
                    let known = Known {
                        name: String::new(),
                        state: State::Live,
                        revision: 1,
                        headline: text.clone(),
                        ingested: text.clone(),
                    };
                    self.articles.insert(article, known);
                    let announced = article < EMBARGOED;
                    let kind = ChangeKind::Created;
                    self.feed.push(Entry { article, kind, revision: 1, headline: text, live: true, announced });
                    return Code::Ok;
                };
                if known.state != State::Live {
                    return Code::FailedPrecondition;
                }
                let same_as_last = std::mem::replace(&mut known.ingested, text.clone()) == text;
                if same_as_last || known.headline == text {
                    return Code::Ok;
                }
                known.headline = text;
                (article, ChangeKind::Revised, State::Live)
            }
            Step::Correct { article, version } => {
                let Some(known) = self.articles.get_mut(&article) else { return Code::NotFound };
                if known.state != State::Live {
                    return Code::FailedPrecondition;
                }
                if known.headline == headline(article, version) {
                    return Code::Ok;
                }
                known.headline = headline(article, version);
                (article, ChangeKind::Revised, State::Live)
            }
            Step::Withdraw(article) => match self.state(article) {
                None => return Code::NotFound,
                Some(State::Withdrawn) => return Code::Ok,
                Some(_) => (article, ChangeKind::Withdrawn, State::Withdrawn),
            },
            Step::Reinstate(article) => match self.state(article) {
                None => return Code::NotFound,
                Some(State::Live) => return Code::Ok,
                Some(State::Deleted) => return Code::FailedPrecondition,
                Some(State::Withdrawn) => (article, ChangeKind::Reinstated, State::Live),
            },
            Step::Delete(article) => match self.state(article) {
                None | Some(State::Deleted) => return Code::NotFound,
                Some(State::Withdrawn) => return Code::FailedPrecondition,
                Some(State::Live) => (article, ChangeKind::Deleted, State::Deleted),
            },
            Step::Undelete(article) => match self.state(article) {
                None => return Code::NotFound,
                Some(State::Live) => return Code::Ok,
                Some(State::Withdrawn) => return Code::FailedPrecondition,
                Some(State::Deleted) => (article, ChangeKind::Undeleted, State::Live),
            },
        };
        let known = self.articles.get_mut(&article).expect("it is known");
        let live = next == State::Live;
        let announced = article < EMBARGOED;
        known.state = next;
        known.revision += 1;
        let (revision, headline) = (known.revision, known.headline.clone());
        self.feed.push(Entry { article, kind, revision, headline, live, announced });
        Code::Ok
    }

    fn state(&self, article: usize) -> Option<State> {
        self.articles.get(&article).map(|known| known.state)
    }

    fn readable(&self, article: usize) -> bool {
        article < EMBARGOED && self.state(article) == Some(State::Live)
    }

    /// Returns the expected changes of a watch from an entry of the feed on.
    fn watched(&self, from: usize) -> Vec<WatchedChange> {
        let announced = self.feed[from..].iter().filter(|entry| entry.announced);
        let changes = announced.map(|entry| {
            let shown = entry.live && self.readable(entry.article);
            let name = self.articles[&entry.article].name.clone();
            (name, entry.kind, entry.revision, shown.then(|| entry.headline.clone()))
        });
        changes.collect()
    }

    /// Returns the headlines of readable articles, in the order of the key.
    fn readable_by(&self, key: impl Fn(usize) -> i64) -> Vec<String> {
        let mut live: Vec<usize> = self.articles.keys().copied().filter(|article| self.readable(*article)).collect();
        live.sort_by_key(|article| key(*article));
        live.iter().map(|article| self.articles[article].headline.clone()).collect()
    }

    /// Returns the positions of an article's entries in the feed.
    fn place(&self, article: usize, newest: bool) -> i64 {
        let mut of_article = self.feed.iter().enumerate().filter(|(_, entry)| entry.article == article);
        let found = if newest { of_article.next_back() } else { of_article.next() };
        found.map_or(-1, |(at, _)| at as i64)
    }
}

/// Does a step for real. Answers its code, and the article if there is one.
async fn perform(writes: &mut Writes, edits: &mut Edits, step: &Step, model: &Model) -> (Code, Option<Article>) {
    let name = |article: usize| match model.articles.get(&article) {
        Some(known) if !known.name.is_empty() => known.name.clone(),
        _ => "articles/none".to_owned(),
    };
    let answer = match *step {
        Step::Ingest { article, version } => {
            let document = Some(ready(page(article, version)));
            let request = IngestArticleRequest { document, ..Default::default() };
            writes
                .ingest_article(request)
                .await
                .map(|answer| answer.into_inner().into_first().unwrap_or_default().article)
        }
        Step::Correct { article, version } => {
            let new = Article { name: name(article), headline: headline(article, version), ..Article::default() };
            let update_mask = Some(prost_types::FieldMask { paths: vec!["headline".into()] });
            let request = UpdateArticleRequest { article: Some(new), update_mask, ..Default::default() };
            edits.update_article(request).await.map(|answer| answer.into_inner().article)
        }
        Step::Withdraw(article) => {
            let request = WithdrawArticleRequest { name: name(article), ..Default::default() };
            edits.withdraw_article(request).await.map(|answer| answer.into_inner().article)
        }
        Step::Reinstate(article) => {
            let request = ReinstateArticleRequest { name: name(article), ..Default::default() };
            edits.reinstate_article(request).await.map(|answer| answer.into_inner().article)
        }
        Step::Delete(article) => {
            let request = DeleteArticleRequest { name: name(article), ..Default::default() };
            edits.delete_article(request).await.map(|answer| answer.into_inner().article)
        }
        Step::Undelete(article) => {
            let request = UndeleteArticleRequest { name: name(article), ..Default::default() };
            edits.undelete_article(request).await.map(|answer| answer.into_inner().article)
        }
    };
    match answer {
        Ok(article) => (Code::Ok, article),
        Err(status) => (status.code(), None),
    }
}

/// All pages of a list.
async fn list(reads: &mut Reads, order_by: &str, page_size: i32) -> Vec<String> {
    let filter = Some(ArticleFilter { tags: Some(StringCondition::any_of(["harbour"])), ..Default::default() });
    let mut request = ListArticlesRequest { page_size, order_by: order_by.into(), filter, ..Default::default() };
    let mut headlines = Vec::new();
    loop {
        let page = reads.list_articles(request.clone()).await.unwrap().into_inner();
        assert!(page.articles.len() <= page_size as usize);
        headlines.extend(page.articles.into_iter().map(|article| article.headline));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return headlines;
        }
    }
}

/// Returns the changes of a watch from a token up to the newest change.
async fn watch(reads: &mut Reads, change_token: String) -> Vec<WatchedChange> {
    let request = match change_token.as_str() {
        "" => WatchArticlesRequest::from_beginning(),
        token => WatchArticlesRequest::after(token),
    };
    let mut events = reads.watch_articles(request).await.unwrap().into_inner();
    let mut changes = Vec::new();
    while let Some(event) = events.next().await {
        match event.unwrap().event.unwrap() {
            watch_articles_response::Event::Checkpoint(_) => break,
            watch_articles_response::Event::Change(change) => {
                let text = change.article.as_ref().map(|article| article.headline.clone());
                changes.push((change.name.clone(), change.kind(), change.revision, text));
            }
            other => panic!("no snapshot was requested: {other:?}"),
        }
    }
    changes
}

/// Returns the articles of an export, and its token.
async fn export(reads: &mut Reads) -> (Vec<String>, String) {
    let mut items = reads.export_articles(ExportArticlesRequest::default()).await.unwrap().into_inner();
    let mut headlines = Vec::new();
    while let Some(item) = items.next().await {
        match item.unwrap().item.unwrap() {
            export_articles_response::Item::Article(article) => headlines.push(article.headline),
            export_articles_response::Item::Progress(_) => {}
            export_articles_response::Item::Summary(summary) => {
                assert_eq!(summary.article_count, headlines.len() as i64);
                return (headlines, summary.change_token);
            }
        }
    }
    panic!("the export ended without a summary");
}

async fn run(before: Vec<Step>, after: Vec<Step>, page_size: i32) {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let mut edits = server.editorial().await;
    let mut model = Model::default();
    let mut exported = None;
    let split = before.len();
    for (at, step) in before.iter().chain(&after).enumerate() {
        if at == split {
            exported = Some((export(&mut reads).await, model.feed.len()));
        }
        let unnamed: Vec<usize> = model.articles.keys().copied().collect();
        let (code, article) = perform(&mut writes, &mut edits, step, &model).await;
        assert_eq!(code, model.apply(step), "{step:?}");
        if let (Some(article), Step::Ingest { article: number, .. }) = (&article, step)
            && !unnamed.contains(number)
        {
            model.articles.get_mut(number).unwrap().name.clone_from(&article.name);
        }
        // Each write is seen by the next read.
        if let Some(article) = article {
            let get = GetArticleRequest { name: article.name.clone(), ..Default::default() };
            let got = reads.get_article(get).await.map(|answer| answer.into_inner().article.unwrap());
            match article.state() {
                ArticleState::Active => assert_eq!(got.unwrap(), article),
                _ => assert_eq!(got.unwrap_err().code(), Code::NotFound),
            }
        }
    }
    let by_number = model.readable_by(|article| article as i64);
    assert_eq!(list(&mut reads, "publish_time asc", page_size).await, by_number);
    let reversed: Vec<String> = by_number.into_iter().rev().collect();
    assert_eq!(list(&mut reads, "", page_size).await, reversed);
    let created = model.readable_by(|article| model.place(article, false));
    assert_eq!(list(&mut reads, "create_time asc", page_size).await, created);
    let updated = model.readable_by(|article| -model.place(article, true));
    assert_eq!(list(&mut reads, "update_time desc", page_size).await, updated);
    assert_eq!(watch(&mut reads, String::new()).await, model.watched(0));
    assert_eq!(export(&mut reads).await.0, created);
    if let Some(((_, token), length)) = exported {
        assert_eq!(watch(&mut reads, token).await, model.watched(length));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn reads_equal_the_model(
        before in proptest::collection::vec(step(), 0..30),
        after in proptest::collection::vec(step(), 1..20),
        page_size in 1..6_i32,
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(run(before, after, page_size));
    }
}
