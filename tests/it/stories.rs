//! Several articles with one text: readers see the earliest that is readable and matches, and learn of no hidden one.

use std::collections::BTreeSet;

use copydesk::proto::editorial_service_client::EditorialServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use crate::test_server::{TestServer, ingest, invented};

type Reads = RetrievalServiceClient<Channel>;
type Edits = EditorialServiceClient<Channel>;

fn later(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + seconds, nanos: 0 })
}

async fn export(reads: &mut Reads, filter: ArticleFilter) -> Vec<Article> {
    let request = ExportArticlesRequest { filter: Some(filter), ..Default::default() };
    let mut items = reads.export_articles(request).await.unwrap().into_inner();
    let mut articles = Vec::new();
    while let Some(item) = items.next().await {
        if let Some(export_articles_response::Item::Article(article)) = item.unwrap().item {
            articles.push(article);
        }
    }
    articles
}

/// Returns the names of the articles of a story that a filter finds, by each way to read.
async fn shown(reads: &mut Reads, filter: ArticleFilter, digest: &str, token: &str) -> Vec<BTreeSet<String>> {
    let requirement = Some(consistency::Requirement::AtLeastAsFresh(token.to_owned()));
    let (consistency, sent) = (Some(Consistency { requirement }), Some(filter.clone()));
    let request = ListArticlesRequest { filter: sent.clone(), consistency: consistency.clone(), ..Default::default() };
    let list = reads.list_articles(request).await.unwrap().into_inner().articles;
    let request = SearchArticlesRequest { query: "ferry".into(), filter: sent, consistency, ..Default::default() };
    let search = reads.search_articles(request).await.unwrap().into_inner().results;
    let search: Vec<Article> = search.into_iter().filter_map(|hit| hit.article).collect();
    let ways = [list, search, export(reads, filter).await];
    let names = ways.into_iter().map(|articles| {
        let story = articles.into_iter().filter(|article| article.content_digest == digest);
        story.map(|article| article.name).collect()
    });
    names.collect()
}

async fn set(edits: &mut Edits, new: Article, path: &str) -> Article {
    let update_mask = Some(prost_types::FieldMask { paths: vec![path.into()] });
    let request = UpdateArticleRequest { article: Some(new), update_mask, ..Default::default() };
    edits.update_article(request).await.unwrap().into_inner().article.unwrap()
}

/// Hides an article, or shows it again; each way has its own.
async fn turn(edits: &mut Edits, way: &str, name: &str, hide: bool) -> Article {
    let name = name.to_owned();
    let timed =
        |embargo_time, expire_time| Article { name: name.clone(), embargo_time, expire_time, ..Default::default() };
    match (way, hide) {
        ("embargoed", true) => set(edits, timed(later(3_600), None), "embargo_time").await,
        ("embargoed", false) => set(edits, timed(None, None), "embargo_time").await,
        ("expired", true) => set(edits, timed(None, later(-60)), "expire_time").await,
        ("expired", false) => set(edits, timed(None, None), "expire_time").await,
        ("withdrawn", true) => {
            let request = WithdrawArticleRequest { name, ..Default::default() };
            edits.withdraw_article(request).await.unwrap().into_inner().article.unwrap()
        }
        ("withdrawn", false) => {
            let request = ReinstateArticleRequest { name, ..Default::default() };
            edits.reinstate_article(request).await.unwrap().into_inner().article.unwrap()
        }
        ("deleted", true) => {
            let request = DeleteArticleRequest { name, ..Default::default() };
            edits.delete_article(request).await.unwrap().into_inner().article.unwrap()
        }
        ("deleted", false) => {
            let request = UndeleteArticleRequest { name, ..Default::default() };
            edits.undelete_article(request).await.unwrap().into_inner().article.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hidden_originals_are_not_disclosed_and_hide_no_copy() {
    let server = TestServer::start().await;
    let (mut reads, mut writes, mut edits) =
        (server.retrieval().await, server.ingestion().await, server.editorial().await);
    for (number, way) in ["embargoed", "withdrawn", "deleted", "expired"].into_iter().enumerate() {
        let original = ingest(&mut writes, invented(number)).await.article.unwrap();
        let copied = Article { url: format!("https://mirror.example/{number}"), ..invented(number) };
        let published = copied.publish_time.map_or(0, |time| time.seconds) + 60;
        let publish_time = Some(prost_types::Timestamp { seconds: published, nanos: 0 });
        let original_source = original.source.clone();
        let copy = ingest(&mut writes, Article { publish_time, source: "mirror.example".into(), ..copied }).await;
        assert_eq!(copy.outcome(), IngestOutcome::Duplicate);
        let copy = copy.article.unwrap();
        let digest = copy.content_digest.as_str();
        let mut token = copy.change_token.clone();
        // There and back: nothing of it is kept by a cache.
        for hide in [false, true, false] {
            if hide || token != copy.change_token {
                token = turn(&mut edits, way, &original.name, hide).await.change_token;
            }
            let one_per_text = ArticleFilter { one_per_text: true, ..Default::default() };
            let expected = BTreeSet::from([if hide { copy.name.clone() } else { original.name.clone() }]);
            for actual in shown(&mut reads, one_per_text.clone(), digest, &token).await {
                assert_eq!(actual, expected, "{way}: {hide}");
            }
            // Among the articles that match.
            let source = Some(StringCondition::none_of([original_source.as_str()]));
            let elsewhere = ArticleFilter { sources: source, ..one_per_text };
            for actual in shown(&mut reads, elsewhere, digest, &token).await {
                assert_eq!(actual, BTreeSet::from([copy.name.clone()]), "{way}: {hide}");
            }
            // The group has the readable ones only.
            let group =
                ArticleFilter { content_digests: Some(StringCondition::any_of([digest])), ..Default::default() };
            let mut expected = BTreeSet::from([copy.name.clone()]);
            if !hide {
                expected.insert(original.name.clone());
            }
            for actual in shown(&mut reads, group, digest, &token).await {
                assert_eq!(actual, expected, "{way}: {hide}");
            }
        }
        // A writer learns of no hidden article either.
        let hidden = [&copy.name, &original.name];
        for name in hidden {
            turn(&mut edits, "deleted", name, true).await;
        }
        let third = Article {
            url: format!("https://third.example/{number}"),
            source: "third.example".into(),
            ..invented(number)
        };
        assert_eq!(ingest(&mut writes, third).await.outcome(), IngestOutcome::Created, "{way}");
    }
}

/// Returns the names of the copies that were withdrawn with an article.
fn copies_of(answer: &WithdrawArticleResponse) -> Vec<String> {
    let exact = |copy: &WithdrawnCopy| copy.kind() == CopyKind::Exact && copy.outcome() == CopyOutcome::Withdrawn;
    assert!(answer.copies.iter().all(exact), "{:?}", answer.copies);
    answer.copies.iter().map(|copy| copy.name.clone()).collect()
}

#[tokio::test]
async fn a_withdrawal_may_include_the_exact_copies_in_every_state() {
    let server = TestServer::start().await;
    let (mut reads, mut writes, mut edits) =
        (server.retrieval().await, server.ingestion().await, server.editorial().await);
    let mut names = Vec::new();
    for number in 0..5 {
        let source = format!("mirror-{number}.example");
        let article = Article { url: format!("https://{source}/1"), source, ..invented(1) };
        names.push(ingest(&mut writes, article).await.article.unwrap().name);
    }
    let other = ingest(&mut writes, invented(2)).await.article.unwrap().name;
    turn(&mut edits, "deleted", &names[2], true).await;
    turn(&mut edits, "embargoed", &names[3], true).await;
    let mut request = WithdrawArticleRequest {
        name: names[1].clone(),
        reason: "an injunction".into(),
        scope: WithdrawScope::ExactCopies.into(),
        validate_only: true,
        ..Default::default()
    };
    let copies = [&names[..1], &names[2..]].concat();
    let answer = edits.withdraw_article(request.clone()).await.unwrap().into_inner();
    assert_eq!((copies_of(&answer), answer.has_more_copies), (copies.clone(), false));
    let get = |name: &str| GetArticleRequest { name: name.to_owned(), ..Default::default() };
    reads.get_article(get(&names[0])).await.unwrap();
    request.validate_only = false;
    let answer = edits.withdraw_article(request.clone()).await.unwrap().into_inner();
    assert_eq!(copies_of(&answer), copies);
    assert_eq!(answer.article.unwrap().state(), ArticleState::Withdrawn);
    for name in &names {
        let get = GetArticleRequest { any_state: true, ..get(name) };
        let article = reads.get_article(get).await.unwrap().into_inner().article.unwrap();
        assert_eq!(article.state(), ArticleState::Withdrawn, "{name}");
    }
    reads.get_article(get(&other)).await.unwrap();
    let again = edits.withdraw_article(request.clone()).await.unwrap().into_inner();
    assert!(again.copies.is_empty());
    request.scope = 77;
    assert_eq!(crate::bad_input::fields(&edits.withdraw_article(request).await.unwrap_err()), ["scope"]);
}
