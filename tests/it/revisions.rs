//! Revisions as resources: lists, snapshots and comparisons.

use copydesk::proto::*;
use prost_types::FieldMask;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented};

type Reads = retrieval_service_client::RetrievalServiceClient<tonic::transport::Channel>;

/// Starts a server with an article of four revisions: created, corrected, withdrawn, reinstated. Returns its newest.
async fn four_revisions() -> (TestServer, Reads, Article) {
    let server = TestServer::start().await;
    let (mut writes, reads) = (server.ingestion().await, server.retrieval().await);
    let mut edits = server.editorial().await;
    let name = ingest(&mut writes, invented(1)).await.article.unwrap().name;
    let correction = UpdateArticleRequest {
        article: Some(Article {
            name: name.clone(),
            headline: "Ferry 1 returns late".into(),
            tags: vec!["harbour".into(), "delay".into()],
            body: "The ferry numbered 1 came back to the harbour on Friday.\n\n\
                   Its captain said the crossing was calm.\n\nIt was three days late."
                .into(),
            ..Article::default()
        }),
        update_mask: Some(FieldMask { paths: ["headline", "tags", "body"].map(str::to_owned).to_vec() }),
        reason: "It was late.".into(),
        ..Default::default()
    };
    edits.update_article(correction).await.unwrap();
    let kill = WithdrawArticleRequest { name: name.clone(), reason: "A claim.".into(), ..Default::default() };
    edits.withdraw_article(kill).await.unwrap();
    let reinstate = ReinstateArticleRequest { name, ..Default::default() };
    let newest = edits.reinstate_article(reinstate).await.unwrap().into_inner().article.unwrap();
    (server, reads, newest)
}

fn of(article: &Article, revision: u32) -> String {
    format!("{}/revisions/{revision}", article.name)
}

async fn revision(reads: &mut Reads, request: GetArticleRevisionRequest) -> Result<ArticleRevision, Status> {
    Ok(reads.get_article_revision(request).await?.into_inner().revision.unwrap())
}

fn violations(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.get_details_bad_request().unwrap().field_violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn each_listed_revision_can_be_read() {
    let (_server, mut reads, newest) = four_revisions().await;
    let list = ListArticleRevisionsRequest { parent: newest.name.clone(), page_size: 3, ..Default::default() };
    let mut page = reads.list_article_revisions(list.clone()).await.unwrap().into_inner();
    let next = ListArticleRevisionsRequest { page_token: page.next_page_token, ..list };
    page.revisions.extend(reads.list_article_revisions(next).await.unwrap().into_inner().revisions);
    let names: Vec<&str> = page.revisions.iter().map(|revision| revision.name.as_str()).collect();
    assert_eq!(names, [4, 3, 2, 1].map(|number| of(&newest, number)));
    assert_eq!(page.revisions[2].changed_fields, ["headline", "tags", "body"]);
    assert_eq!((page.revisions[1].kind(), page.revisions[1].reason.as_str()), (ChangeKind::Withdrawn, "A claim."));
    for (number, listed) in [4_u32, 3, 2, 1].into_iter().zip(&page.revisions) {
        assert_eq!(listed.snapshot, None);
        let get = GetArticleRevisionRequest { name: of(&newest, number), ..Default::default() };
        let got = revision(&mut reads, get.clone()).await.unwrap();
        assert_eq!(&ArticleRevision { snapshot: None, ..got.clone() }, listed);
        // A withdrawal has no text for readers.
        assert_eq!(got.snapshot.is_none(), number == 3);
        let for_editor = revision(&mut reads, GetArticleRevisionRequest { any_state: true, ..get }).await.unwrap();
        let snapshot = for_editor.snapshot.unwrap();
        assert_eq!((snapshot.revision, &snapshot.change_token), (i64::from(number), &listed.change_token));
        let state = if number == 3 { ArticleState::Withdrawn } else { ArticleState::Active };
        assert_eq!(snapshot.state(), state);
        assert_eq!(snapshot.create_time, newest.create_time);
        assert_eq!(snapshot.update_time, listed.create_time);
        assert!(number == 3 || got.snapshot == Some(snapshot));
    }
    let get = GetArticleRevisionRequest { name: of(&newest, 1), ..Default::default() };
    let basic = GetArticleRevisionRequest { view: ArticleView::Basic.into(), ..get.clone() };
    let basic = revision(&mut reads, basic).await.unwrap().snapshot.unwrap();
    assert_eq!((basic.headline.as_str(), basic.body.as_str()), ("Ferry 1 returns to Port Ellery", ""));
    let read_mask = Some(FieldMask { paths: vec!["headline".into()] });
    let masked = revision(&mut reads, GetArticleRevisionRequest { read_mask, ..get }).await.unwrap().snapshot.unwrap();
    assert_eq!(masked, Article { headline: basic.headline, ..Article::default() });
}

#[tokio::test]
async fn invalid_and_missing_revisions_are_named() {
    let (_server, mut reads, newest) = four_revisions().await;
    for name in [format!("{}@1", newest.name), of(&newest, 1)] {
        let refused = reads.get_article(GetArticleRequest { name, ..Default::default() }).await.unwrap_err();
        assert_eq!(violations(&refused), ["name"]);
        assert!(refused.message().contains("GetArticleRevision"), "{}", refused.message());
    }
    for name in [newest.name.clone(), of(&newest, 0), format!("{}@1", newest.name), of(&newest, 1).to_uppercase()] {
        let get = GetArticleRevisionRequest { name: name.clone(), ..Default::default() };
        assert_eq!(violations(&reads.get_article_revision(get).await.unwrap_err()), ["name"], "{name}");
        let diff = DiffArticleRevisionsRequest { name: name.clone(), ..Default::default() };
        assert_eq!(violations(&reads.diff_article_revisions(diff).await.unwrap_err()), ["name"], "{name}");
    }
    let list = ListArticleRevisionsRequest { parent: of(&newest, 1), page_size: -1, ..Default::default() };
    assert_eq!(violations(&reads.list_article_revisions(list).await.unwrap_err()), ["parent", "page_size"]);
    for base in [of(&newest, 2), of(&newest, 3), "articles/other/revisions/1".into(), "1".into()] {
        let diff = DiffArticleRevisionsRequest {
            name: of(&newest, 2),
            base_revision: base.clone(),
            consistency: Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh("x".into())) }),
            ..Default::default()
        };
        let refused = reads.diff_article_revisions(diff).await.unwrap_err();
        assert_eq!(violations(&refused), ["base_revision", "consistency.at_least_as_fresh"], "{base}");
    }
    for name in [of(&newest, 5), "articles/none/revisions/1".into(), format!("{}/revisions/{}", newest.name, i64::MAX)]
    {
        let get = GetArticleRevisionRequest { name: name.clone(), ..Default::default() };
        let missing = reads.get_article_revision(get).await.unwrap_err();
        assert_eq!((missing.code(), missing.message()), (Code::NotFound, format!("{name} does not exist").as_str()));
        let resource = missing.get_details_resource_info().unwrap();
        assert_eq!((resource.resource_type.as_str(), resource.resource_name), ("copydesk.v1.ArticleRevision", name));
    }
}

/// Returns the changes of paragraphs in short, as kind and text with `[-deleted-]` and `{+inserted+}` parts.
fn short(diff: &DiffArticleRevisionsResponse) -> Vec<String> {
    let part = |part: &DiffPart| match part.kind() {
        DiffPartKind::Deleted => format!("[-{}-]", part.text),
        DiffPartKind::Inserted => format!("{{+{}+}}", part.text),
        _ => part.text.clone(),
    };
    let paragraph = |it: &ParagraphDiff| format!("{} {}", it.count, it.parts.iter().map(part).collect::<String>());
    diff.paragraphs.iter().map(paragraph).collect()
}

#[tokio::test]
async fn revisions_are_compared() {
    let (_server, mut reads, newest) = four_revisions().await;
    let mut diff = async |name: u32, base: Option<u32>, any_state: bool| {
        let request = DiffArticleRevisionsRequest {
            name: of(&newest, name),
            base_revision: base.map(|base| of(&newest, base)).unwrap_or_default(),
            any_state,
            ..Default::default()
        };
        reads.diff_article_revisions(request).await.map(tonic::Response::into_inner)
    };
    let second = diff(2, None, false).await.unwrap();
    assert_eq!((&second.name, &second.base_revision), (&of(&newest, 2), &of(&newest, 1)));
    let headline = FieldDiff {
        path: "headline".into(),
        old_value: "Ferry 1 returns to Port Ellery".into(),
        new_value: "Ferry 1 returns late".into(),
        ..FieldDiff::default()
    };
    let tags = FieldDiff {
        path: "tags".into(),
        removed_values: vec!["ferry-1".into()],
        added_values: vec!["delay".into()],
        ..FieldDiff::default()
    };
    assert_eq!(second.fields, [headline, tags]);
    assert_eq!(
        short(&second),
        [
            "1 The ferry numbered 1 came back to the harbour on [-Tuesday-]{+Friday+}.",
            "1 ",
            "1 {+It was three days late.+}"
        ]
    );
    // The withdrawal between has no text for readers, and is skipped.
    let fourth = diff(4, None, false).await.unwrap();
    assert_eq!((fourth.base_revision.clone(), fourth.fields.len()), (of(&newest, 2), 0));
    assert!(fourth.paragraphs.is_empty());
    let since_first = diff(4, Some(1), false).await.unwrap();
    assert_eq!((since_first.fields, since_first.paragraphs), (second.fields, second.paragraphs));
    let first = diff(1, None, false).await.unwrap();
    assert_eq!(first.base_revision, "");
    assert!(first.paragraphs.iter().all(|it| it.change() == ParagraphChange::Added) && first.paragraphs.len() == 2);
    for (name, base) in [(3, None), (4, Some(3))] {
        let refused = diff(name, base, false).await.unwrap_err();
        assert_eq!((refused.code(), refused.message().contains("revisions/3")), (Code::NotFound, true));
        assert!(diff(name, base, true).await.unwrap().fields.is_empty());
    }
    assert_eq!(diff(4, None, true).await.unwrap().base_revision, of(&newest, 3));
}
