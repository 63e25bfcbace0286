//! Views of articles: each method, with each view and with a read mask.

use copydesk::proto::*;
use prost_types::FieldMask;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented};

type Reads = retrieval_service_client::RetrievalServiceClient<tonic::transport::Channel>;

/// Fields that select what a read returns.
type Selection = (ArticleView, Option<FieldMask>);

const METHODS: [&str; 7] = ["get", "batch", "lookup", "list", "search", "watch", "export"];

/// Calls a method; returns its first article.
async fn read(reads: &mut Reads, method: &str, article: &Article, selection: &Selection) -> Result<Article, Status> {
    let (view, read_mask) = (i32::from(selection.0), selection.1.clone());
    let consistency =
        Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(article.change_token.clone())) });
    let name = article.name.clone();
    let found = match method {
        "get" => {
            let request = GetArticleRequest { name, view, read_mask, consistency, ..Default::default() };
            reads.get_article(request).await?.into_inner().article
        }
        "batch" => {
            let names = vec![name];
            let request = BatchGetArticlesRequest { names, view, read_mask, consistency, ..Default::default() };
            reads.batch_get_articles(request).await?.into_inner().articles.pop()
        }
        "lookup" => {
            let key = Some(lookup_article_request::Key::Url(article.url.clone()));
            let request = LookupArticleRequest { key, view, read_mask, consistency, ..Default::default() };
            reads.lookup_article(request).await?.into_inner().article
        }
        "list" => {
            let request = ListArticlesRequest { view, read_mask, consistency, ..Default::default() };
            reads.list_articles(request).await?.into_inner().articles.pop()
        }
        "search" => {
            let query = "captain".to_owned();
            let request = SearchArticlesRequest { query, view, read_mask, consistency, ..Default::default() };
            reads.search_articles(request).await?.into_inner().results.pop().and_then(|result| result.article)
        }
        "watch" => {
            let request = WatchArticlesRequest { view, read_mask, ..WatchArticlesRequest::from_beginning() };
            let mut events = reads.watch_articles(request).await?.into_inner();
            match events.next().await.unwrap()?.event.unwrap() {
                watch_articles_response::Event::Change(change) => change.article,
                _ => None,
            }
        }
        _ => {
            let request = ExportArticlesRequest { view, read_mask, ..Default::default() };
            let mut items = reads.export_articles(request).await?.into_inner();
            // The first message is the progress.
            loop {
                match items.next().await.unwrap()?.item.unwrap() {
                    export_articles_response::Item::Article(article) => break Some(article),
                    export_articles_response::Item::Progress(_) => {}
                    export_articles_response::Item::Summary(_) => break None,
                }
            }
        }
    };
    Ok(found.unwrap_or_else(|| panic!("{method} must return the article")))
}

#[tokio::test]
async fn each_read_returns_the_fields_of_its_view_or_mask() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let image = block::Content::Image(ImageBlock { url: "https://herald.example/ferry.jpg".into() });
    let text = block::Content::Text(TextBlock { kind: TextKind::Paragraph.into(), ..TextBlock::default() });
    let blocks = [text.clone(), image, text].map(|content| Block { content: Some(content) }).to_vec();
    let media = Media { url: "https://herald.example/ferry.jpg".into(), ..Media::default() };
    let rich = Article { blocks, media: vec![media], ..invented(1) };
    let full = ingest(&mut writes, rich).await.article.unwrap();
    assert!(!full.body.is_empty() && !full.media.is_empty() && !full.blocks.is_empty());
    let basic = Article { body: String::new(), blocks: vec![], media: vec![], ..full.clone() };
    let paths = |paths: &[&str]| Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let body = Article { body: full.body.clone(), ..Article::default() };
    for method in METHODS {
        let default = if ["list", "search"].contains(&method) { &basic } else { &full };
        for (selection, expected) in [
            ((ArticleView::Unspecified, None), default),
            ((ArticleView::Basic, None), &basic),
            ((ArticleView::Full, None), &full),
            ((ArticleView::Unspecified, paths(&["body"])), &body),
            ((ArticleView::Unspecified, paths(&["*"])), &full),
        ] {
            assert_eq!(&read(&mut reads, method, &full, &selection).await.unwrap(), expected, "{method} {selection:?}");
        }
        for view in [ArticleView::Basic, ArticleView::Full] {
            let refused = read(&mut reads, method, &full, &(view, paths(&["body"]))).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{method}");
            assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "view", "{method}");
        }
    }
    let unknown = ListArticlesRequest { view: 9, ..Default::default() };
    let refused = reads.list_articles(unknown).await.unwrap_err();
    assert!(refused.message().contains("view: must be ARTICLE_VIEW_BASIC"), "{}", refused.message());
}
