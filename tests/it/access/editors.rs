//! Reads of editors: articles in every state, which nobody else sees.

use copydesk::proto::*;
use tonic::Code;

use super::{Connected, client, desk, key, reason, until_read};
use crate::test_server::{invented, ready};

const STATES: [ArticleState; 6] = [
    ArticleState::Active,
    ArticleState::Embargoed,
    ArticleState::Withdrawn,
    ArticleState::Deleted,
    ArticleState::Expired,
    ArticleState::Expected,
];

/// Makes an article of each state, in the order of [`STATES`].
async fn one_of_each(Connected { ingestion: writes, editorial: edits, .. }: &mut Connected) -> Vec<Article> {
    let mut articles = Vec::new();
    for number in 0..5 {
        let request = IngestArticleRequest { document: Some(ready(invented(number))), ..Default::default() };
        articles.push(
            writes
                .ingest_article(request)
                .await
                .unwrap()
                .into_inner()
                .into_first()
                .unwrap_or_default()
                .article
                .unwrap(),
        );
    }
    let mut edit = async |article: &Article, paths: &str, new: Article| {
        let update_mask = Some(prost_types::FieldMask { paths: vec![paths.to_owned()] });
        let article = Some(Article { name: article.name.clone(), ..new });
        let request = UpdateArticleRequest { article, update_mask, ..Default::default() };
        edits.update_article(request).await.unwrap();
    };
    let time = |text: &str| Some(text.parse::<prost_types::Timestamp>().unwrap());
    edit(&articles[1], "embargo_time", Article { embargo_time: time("2999-01-01T00:00:00Z"), ..Default::default() })
        .await;
    edit(&articles[4], "expire_time", Article { expire_time: time("2001-01-01T00:00:00Z"), ..Default::default() })
        .await;
    let kill = WithdrawArticleRequest {
        name: articles[2].name.clone(),
        reason: "court order 17".into(),
        ..Default::default()
    };
    edits.withdraw_article(kill).await.unwrap();
    let delete = DeleteArticleRequest { name: articles[3].name.clone(), ..Default::default() };
    edits.delete_article(delete).await.unwrap();
    let url = "https://herald.example/expected".to_owned();
    let kill = WithdrawArticleRequest { url, allow_missing: true, ..Default::default() };
    let expected = edits.withdraw_article(kill).await.unwrap().into_inner().article.unwrap();
    let reinstate = ReinstateArticleRequest { name: expected.name.clone(), ..Default::default() };
    articles.push(edits.reinstate_article(reinstate).await.unwrap().into_inner().article.unwrap());
    articles
}

#[tokio::test]
async fn only_editors_see_articles_in_every_state() {
    let (server, keys) = desk(|_| {}).await;
    let mut editor = client(&server, &key(&keys, "articles.read articles.write articles.edit", |_| {}).await.1).await;
    let mut reader = client(&server, &key(&keys, "articles.read articles.write articles.admin", |_| {}).await.1).await;
    until_read(&editor, Code::NotFound).await;
    until_read(&reader, Code::NotFound).await;
    let articles = one_of_each(&mut editor).await;
    let fresh = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
    for (article, state) in articles.iter().zip(STATES) {
        let get = |any_state| GetArticleRequest {
            name: article.name.clone(),
            any_state,
            consistency: fresh.clone(),
            ..Default::default()
        };
        let got = editor.retrieval.get_article(get(true)).await.unwrap().into_inner().article.unwrap();
        assert_eq!((&got.name, got.state()), (&article.name, state));
        let past = GetArticleRevisionRequest {
            name: format!("{}/revisions/1", article.name),
            any_state: true,
            ..Default::default()
        };
        let first = editor.retrieval.get_article_revision(past.clone()).await.unwrap().into_inner().revision.unwrap();
        assert_eq!(first.snapshot.unwrap().revision, 1);
        let diff = DiffArticleRevisionsRequest { name: past.name.clone(), any_state: true, ..Default::default() };
        editor.retrieval.diff_article_revisions(diff.clone()).await.unwrap();
        let names = vec![article.name.clone()];
        let batch =
            BatchGetArticlesRequest { names, any_state: true, consistency: fresh.clone(), ..Default::default() };
        assert_eq!(
            editor.retrieval.batch_get_articles(batch.clone()).await.unwrap().into_inner().articles,
            std::slice::from_ref(&got)
        );
        let lookup = LookupArticleRequest {
            key: Some(lookup_article_request::Key::Url(got.url.clone())),
            any_state: true,
            consistency: fresh.clone(),
            ..Default::default()
        };
        let found = editor.retrieval.lookup_article(lookup.clone()).await.unwrap().into_inner().article;
        assert_eq!(found, Some(got));
        let history =
            ListArticleRevisionsRequest { parent: article.name.clone(), any_state: true, ..Default::default() };
        let revisions = editor.retrieval.list_article_revisions(history.clone()).await.unwrap().into_inner().revisions;
        assert!(!revisions.is_empty());
        if state == ArticleState::Withdrawn {
            assert_eq!((revisions[0].kind(), revisions[0].reason.as_str()), (ChangeKind::Withdrawn, "court order 17"));
        }
        let list = ListArticlesRequest {
            filter: Some(ArticleFilter { states: vec![state.into()], ..Default::default() }),
            consistency: fresh.clone(),
            ..Default::default()
        };
        // As lists, searches and counts. An expected article has no text.
        let is_found = state != ArticleState::Expected;
        let search = SearchArticlesRequest {
            query: "ferry".into(),
            filter: list.filter.clone(),
            consistency: fresh.clone(),
            ..Default::default()
        };
        let hits = editor.retrieval.search_articles(search.clone()).await.unwrap().into_inner().results;
        let hits: Vec<_> =
            hits.into_iter().map(|hit| hit.article.unwrap()).map(|hit| (hit.state(), hit.name)).collect();
        assert_eq!(hits, if is_found { vec![(state, article.name.clone())] } else { Vec::new() });
        let filter = list.filter.clone();
        let count =
            AggregateArticlesRequest { filter: filter.clone(), consistency: fresh.clone(), ..Default::default() };
        let counted = editor.retrieval.aggregate_articles(count.clone()).await.unwrap().into_inner();
        assert_eq!(counted.total_size, 1);
        let suggest = SuggestValuesRequest {
            field: ValueField::Source.into(),
            prefix: "herald".into(),
            filter,
            consistency: fresh.clone(),
            ..Default::default()
        };
        let suggested = editor.retrieval.suggest_values(suggest.clone()).await.unwrap().into_inner().suggestions;
        assert_eq!((suggested.len(), suggested[0].article_count), (1, 1));
        let listed = editor.retrieval.list_articles(list.clone()).await.unwrap().into_inner().articles;
        assert_eq!(
            listed.iter().map(|listed| (&listed.name, listed.state())).collect::<Vec<_>>(),
            [(&article.name, state)]
        );
        let copies = ListArticleCopiesRequest { name: article.name.clone(), any_state: true, ..Default::default() };
        assert!(editor.retrieval.list_article_copies(copies.clone()).await.unwrap().into_inner().copies.is_empty());
        let filter = list.filter.clone();
        let related = ListRelatedArticlesRequest { name: article.name.clone(), filter, ..Default::default() };
        // Without the scope, each is refused, whatever the state.
        for refused in [
            reader.retrieval.get_article(get(true)).await.map(drop),
            reader.retrieval.batch_get_articles(batch).await.map(drop),
            reader.retrieval.lookup_article(lookup).await.map(drop),
            reader.retrieval.list_article_revisions(history).await.map(drop),
            reader.retrieval.get_article_revision(past).await.map(drop),
            reader.retrieval.diff_article_revisions(diff).await.map(drop),
            reader.retrieval.list_articles(list).await.map(drop),
            reader.retrieval.search_articles(search).await.map(drop),
            reader.retrieval.aggregate_articles(count).await.map(drop),
            reader.retrieval.suggest_values(suggest).await.map(drop),
            reader.retrieval.list_related_articles(related).await.map(drop),
            reader.retrieval.list_article_copies(copies).await.map(drop),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
        }
        // And an editor sees what readers see, unless more is asked for.
        for caller in [&mut editor, &mut reader] {
            let code = caller.retrieval.get_article(get(false)).await.map_or_else(|status| status.code(), |_| Code::Ok);
            assert_eq!(code, if state == ArticleState::Active { Code::Ok } else { Code::NotFound });
        }
    }
    let every = ArticleFilter { states: STATES.map(i32::from).to_vec(), ..Default::default() };
    let list = |filter, page_size, page_token| ListArticlesRequest {
        filter: Some(filter),
        page_size,
        page_token,
        consistency: fresh.clone(),
        ..Default::default()
    };
    let (mut listed, mut token) = (0, String::new());
    loop {
        let page = editor.retrieval.list_articles(list(every.clone(), 2, token)).await.unwrap().into_inner();
        listed += page.articles.len();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, STATES.len());
    // With a text: all but the expected one, which has none.
    let text = ArticleFilter { text: "ferry".into(), ..every.clone() };
    let page = editor.retrieval.list_articles(list(text, 0, String::new())).await.unwrap().into_inner();
    assert_eq!(page.articles.len(), STATES.len() - 1);
    // What cannot be selected by state is named.
    for (filter, field) in [
        (ArticleFilter { states: vec![0], ..Default::default() }, "filter.states[0]"),
        (ArticleFilter { states: vec![99], ..Default::default() }, "filter.states[0]"),
        (ArticleFilter { one_per_text: true, ..every.clone() }, "filter.one_per_text"),
        (ArticleFilter { one_per_story: true, ..every.clone() }, "filter.one_per_story"),
    ] {
        let refused = editor.retrieval.list_articles(list(filter, 0, String::new())).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    let export = ExportArticlesRequest { filter: Some(every), ..Default::default() };
    assert_eq!(editor.retrieval.export_articles(export).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn not_found_says_when_an_article_was_withdrawn() {
    use tonic_types::StatusExt;
    let server = crate::test_server::TestServer::start().await;
    // Without authentication, credentials are ignored.
    let mut anybody = client(&server, "none").await;
    let articles = one_of_each(&mut anybody).await;
    let reads = &mut anybody.retrieval;
    for (article, state) in articles.iter().zip(STATES) {
        let consistency = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
        let request = GetArticleRequest { name: article.name.clone(), consistency, ..Default::default() };
        let Err(status) = reads.get_article(request).await else { continue };
        let info = status.get_details_error_info().unwrap();
        let time = info.metadata.get("time").map(|time| time.parse::<jiff::Timestamp>().unwrap());
        match state {
            ArticleState::Withdrawn | ArticleState::Deleted => assert!(time.is_some(), "{state:?}"),
            ArticleState::Expired => assert_eq!(time, Some("2001-01-01T00:00:00Z".parse().unwrap())),
            _ => assert_eq!((info.reason.as_str(), time), ("ARTICLE_NOT_FOUND", None), "{state:?}"),
        }
    }
    // Callers are not told apart: each is an editor.
    let name = articles[2].name.clone();
    let got = reads.get_article(GetArticleRequest { name, any_state: true, ..Default::default() }).await.unwrap();
    assert_eq!(got.into_inner().article.unwrap().state(), ArticleState::Withdrawn);
}
