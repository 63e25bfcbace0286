//! The article that a document belongs to, as a client sees it: spellings of addresses, feeds and their pages, wrong
//! canonical addresses, kills and late copies.

use copydesk::proto::document::Payload;
use copydesk::proto::*;
use tonic::Code;

use crate::test_server::TestServer;

const PARAGRAPHS: [&str; 3] = [
    "The harbour board of Port Ardell agreed on Monday to dredge the northern channel before the winter, after two \
     ferries ran aground within a week and a third was delayed by six hours.",
    "Mayor Nell Marsh said the works would cost 4.2 million crowns and last until the end of November, with night \
     shifts on weekdays and a pause during the regatta in the second week.",
    "The board's engineer said soundings had shown that the channel had lost almost a metre of depth, most of it after \
     the storms of last January, and that a survey would follow.",
];
const OTHER: [&str; 2] = [
    "The lighthouse of Norvik will stay lit until the spring, the coast service said on Tuesday, after captains had \
     complained that they could not find the mole in the fog of October.",
    "Keeper Ann Reed said the lamp would be changed in May, when the days are long and nobody needs it, and that the \
     new one would use a tenth of the power of the old.",
];
const TITLE: &str = "Channel to be dredged before winter";
const OTHER_TITLE: &str = "Lighthouse to stay lit until spring";
const URL: &str = "https://herald.example/news/channel";

/// A server, and what is sent to it.
struct Desk {
    server: TestServer,
}

/// Result of one article.
#[derive(Debug)]
struct Took {
    name: String,
    outcome: IngestOutcome,
    stale_part: VersionPart,
    warnings: Vec<String>,
}

impl Desk {
    async fn open() -> Self {
        Self { server: TestServer::start().await }
    }

    async fn ingest(&self, document: Document) -> Result<Vec<Took>, tonic::Status> {
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        let answer = self.server.ingestion().await.ingest_article(request).await?.into_inner();
        let took = |article: Option<Article>, outcome: i32, stale_part: i32, report: Option<ExtractionReport>| Took {
            name: article.unwrap().name,
            outcome: outcome.try_into().unwrap(),
            stale_part: stale_part.try_into().unwrap(),
            warnings: report.unwrap().warnings.into_iter().map(|warning| warning.message).collect(),
        };
        let mut items = Vec::new();
        for item in answer.results {
            match item.result.unwrap() {
                ingest_result::Result::Ingested(one) => {
                    items.push(took(one.article, one.outcome, one.stale_part, one.report));
                }
                ingest_result::Result::Error(error) => {
                    return Err(tonic::Status::new(error.code.into(), error.message));
                }
            }
        }
        Ok(items)
    }

    async fn page(&self, url: &str, title: &str, head: &str, paragraphs: &[&str]) -> Result<Took, tonic::Status> {
        let document = page(url, title, head, paragraphs);
        self.ingest(document).await.map(|mut all| all.remove(0))
    }

    async fn feed(&self, items: &[String]) -> Result<Vec<Took>, tonic::Status> {
        self.feed_at("https://herald.example/feed", items).await
    }

    async fn feed_at(&self, url: &str, items: &[String]) -> Result<Vec<Took>, tonic::Status> {
        let data = format!(
            r#"<?xml version="1.0"?><rss version="2.0"><channel><title>The Herald</title>
            <link>https://herald.example/</link><description>News</description>{}</channel></rss>"#,
            items.concat()
        );
        let raw = RawPayload::new(data, "application/rss+xml");
        self.ingest(Document { payload: Some(Payload::Raw(raw)), url: url.into(), ..Document::default() }).await
    }

    async fn withdraw(&self, name: &str) {
        let request = WithdrawArticleRequest { name: name.into(), ..Default::default() };
        self.server.editorial().await.withdraw_article(request).await.unwrap();
    }

    async fn listed(&self) -> Vec<Article> {
        let request = ListArticlesRequest {
            consistency: Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) }),
            ..Default::default()
        };
        self.server.retrieval().await.list_articles(request).await.unwrap().into_inner().articles
    }
}

fn page(url: &str, title: &str, head: &str, paragraphs: &[&str]) -> Document {
    let body: String = paragraphs.iter().map(|text| format!("<p>{text}</p>")).collect();
    let html = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}</head>
        <body><main><article><h1>{title}</h1>{body}</article></main></body></html>"#
    );
    Document { payload: Some(Payload::Html(html)), url: url.into(), ..Document::default() }
}

fn item(link: &str, guid: &str, title: &str, paragraphs: &[&str]) -> String {
    let text: String = paragraphs.iter().map(|text| format!("&lt;p&gt;{text}&lt;/p&gt;")).collect();
    format!(
        r#"<item><title>{title}</title><link>{link}</link><guid isPermaLink="false">{guid}</guid>
        <description>{text}</description></item>"#
    )
}

/// Other spellings of [`URL`].
const SPELLINGS: [&str; 8] = [
    "http://herald.example/news/channel",
    "https://www.herald.example/news/channel/",
    "https://m.herald.example/news/channel",
    "https://amp.herald.example/news/channel",
    "https://herald.example/news/channel/amp/",
    "https://herald.example/news/channel?outputType=amp",
    "https://herald.example/news/channel?utm_campaign=a&fbclid=b#top",
    "https://www.google.com/amp/s/herald.example/news/channel",
];

#[tokio::test]
async fn spellings_of_an_address_are_one_article_and_one_kill() {
    let desk = Desk::open().await;
    let first = desk.page(URL, TITLE, "", &PARAGRAPHS).await.unwrap();
    for url in SPELLINGS {
        let again = desk.page(url, TITLE, "", &PARAGRAPHS).await.unwrap();
        assert_eq!((&again.name, again.outcome), (&first.name, IngestOutcome::Unchanged), "{url}");
    }
    desk.withdraw(&first.name).await;
    for url in SPELLINGS {
        let refused = desk.page(url, "Another headline", "", &OTHER).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{url}");
    }
    let refused = desk.feed(&[item(URL, "h-1", TITLE, &PARAGRAPHS)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // Its exact text at another address of the source.
    let refused = desk.page("https://herald.example/sea/12", TITLE, "", &PARAGRAPHS).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(desk.listed().await.is_empty());
    // At another source it is another article.
    desk.page("https://tribune.example/12", TITLE, "", &PARAGRAPHS).await.unwrap();
}

#[tokio::test]
async fn another_identifier_or_text_brings_no_killed_address_back() {
    let desk = Desk::open().await;
    let first = desk.feed(&[item(URL, "h-1", TITLE, &PARAGRAPHS)]).await.unwrap().remove(0);
    desk.withdraw(&first.name).await;
    let refused = desk.feed(&[item(URL, "h-2", OTHER_TITLE, &OTHER)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // Its canonical address is one of its keys.
    let canonical = "https://herald.example/sea/lamp-12345";
    let head = format!(r#"<link rel="canonical" href="{canonical}">"#);
    let second = desk.page("https://herald.example/p/12345", OTHER_TITLE, &head, &OTHER).await.unwrap();
    desk.withdraw(&second.name).await;
    let third = "The orchards of the Ellery valley had their best harvest in ten years, growers said on Friday, and \
        the cider presses will work in two shifts until the first frost.";
    let refused = desk.page(canonical, "Orchards full", "", &[third]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // A page that merely claims it is another article.
    let claiming = desk.page("https://herald.example/x/12345", "Orchards full", &head, &[third]).await.unwrap();
    assert_eq!(claiming.outcome, IngestOutcome::Created);
}

#[tokio::test]
async fn an_item_without_a_link_is_of_the_site_of_its_feed() {
    let desk = Desk::open().await;
    let without_link = |guid: &str| item("", guid, TITLE, &PARAGRAPHS).replace("<link></link>", "");
    let page = desk.page(URL, TITLE, "", &PARAGRAPHS).await.unwrap();
    desk.withdraw(&page.name).await;
    let refused = desk.feed(&[without_link("h-7")]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "exactly its text, from the same site");
    // Feeds of two sites with one title and one identifier.
    let tribune = desk.feed_at("https://tribune.example/feed", &[without_link("1")]).await.unwrap().remove(0);
    let gazette = desk.feed_at("https://gazette.example/feed", &[without_link("1")]).await.unwrap().remove(0);
    assert_ne!(tribune.name, gazette.name);
    assert!(desk.listed().await.iter().all(|article| article.source != "the herald"));
}

#[tokio::test]
async fn a_kill_by_key_holds_also_for_what_comes_later() {
    let desk = Desk::open().await;
    let kill = async |request: WithdrawArticleRequest| {
        let killed = desk.server.editorial().await.withdraw_article(request).await?;
        Ok::<Article, tonic::Status>(killed.into_inner().article.unwrap())
    };
    let by_url = |url: &str, allow_missing| WithdrawArticleRequest {
        url: url.into(),
        reason: "court order".into(),
        allow_missing,
        ..Default::default()
    };
    let external = Some(ExternalKey { source: "Herald.example".into(), external_id: "h-2".into() });
    // By any spelling of its address.
    let page = desk.page(URL, TITLE, "", &PARAGRAPHS).await.unwrap();
    let killed = kill(by_url("http://m.herald.example/news/channel/?utm_source=x", false)).await.unwrap();
    assert_eq!((&killed.name, killed.state()), (&page.name, ArticleState::Withdrawn));
    // A kill that overtakes its story.
    let later = "https://herald.example/news/lighthouse";
    assert_eq!(kill(by_url(later, false)).await.unwrap_err().code(), Code::NotFound);
    let early = kill(by_url(later, true)).await.unwrap();
    assert_eq!((early.state(), early.url.as_str()), (ArticleState::Withdrawn, later));
    assert_eq!(kill(by_url(later, true)).await.unwrap().revision, early.revision, "a retry changes nothing");
    let by_id = WithdrawArticleRequest { external, allow_missing: true, ..Default::default() };
    assert_eq!(kill(by_id).await.unwrap().external_id, "h-2");
    for refused in [
        desk.page("https://www.herald.example/news/lighthouse/amp", OTHER_TITLE, "", &OTHER).await.map(|_| ()),
        desk.feed(&[item(later, "h-1", OTHER_TITLE, &OTHER)]).await.map(|_| ()),
        desk.feed(&[item("https://herald.example/3", "h-2", OTHER_TITLE, &OTHER)]).await.map(|_| ()),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    }
    let get = GetArticleRequest { name: early.name.clone(), ..Default::default() };
    let status = desk.server.retrieval().await.get_article(get).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    // Reinstated, it may arrive, however old it says it is.
    let reinstate = ReinstateArticleRequest { name: early.name.clone(), ..Default::default() };
    let reinstated =
        desk.server.editorial().await.reinstate_article(reinstate).await.unwrap().into_inner().article.unwrap();
    assert_eq!(reinstated.state(), ArticleState::Expected);
    let old = r#"<meta property="article:modified_time" content="2001-01-01T00:00:00Z">"#;
    let arrived = desk.page(later, OTHER_TITLE, old, &OTHER).await.unwrap();
    assert_eq!((&arrived.name, arrived.outcome), (&early.name, IngestOutcome::Created));
    assert_eq!(desk.listed().await.len(), 1);
    // One of the three is required.
    let none = kill(WithdrawArticleRequest::default()).await.unwrap_err();
    let two = kill(WithdrawArticleRequest { name: early.name, ..by_url(later, true) }).await.unwrap_err();
    let bad = kill(by_url("herald", true)).await.unwrap_err();
    for (status, field) in [(none, "name"), (two, "name"), (bad, "url")] {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{}", status.message());
    }
}

#[tokio::test]
async fn wrong_canonical_addresses_join_no_stories() {
    for head in [
        r#"<link rel="canonical" href="https://herald.example/news">"#,
        r#"<link rel="canonical" href="https://herald.example/">"#,
        r#"<meta property="og:url" content="https://herald.example/en/">"#,
        r#"<link rel="canonical" href="https://herald.example/?lang=en">"#,
        r#"<link rel="canonical" href="https://tribune.example/news/channel">"#,
        // A canonical address that could be of either.
        r#"<link rel="canonical" href="https://herald.example/news/184223-a1">"#,
    ] {
        let desk = Desk::open().await;
        let one = desk.page("https://herald.example/news/184223", TITLE, head, &PARAGRAPHS).await.unwrap();
        let other = desk.page("https://herald.example/a/184223/2", OTHER_TITLE, head, &OTHER).await.unwrap();
        assert_ne!(one.name, other.name, "{head}");
        assert!(!other.warnings.is_empty(), "{head}");
        assert_eq!(desk.listed().await.len(), 2, "{head}");
    }
}

#[tokio::test]
async fn a_feed_and_its_pages_are_the_same_articles() {
    let desk = Desk::open().await;
    let first = desk.feed(&[item(URL, "h-1", TITLE, &["The board decided on Monday."])]).await.unwrap().remove(0);
    // The page is longer and has another headline: the link suffices.
    let page = desk.page(URL, "Port Ardell dredges", "", &PARAGRAPHS).await.unwrap();
    assert_eq!((&page.name, page.outcome), (&first.name, IngestOutcome::Revised));
    // The feed's software changes all GUIDs.
    let again = desk.feed(&[item(URL, "uuid-1", "Port Ardell dredges", &PARAGRAPHS)]).await.unwrap().remove(0);
    assert_eq!(again.name, first.name);
    // One GUID on two items with other links and texts loses neither.
    let two = [
        item("https://herald.example/1", "g", TITLE, &PARAGRAPHS[..2]),
        item("https://herald.example/2", "g", OTHER_TITLE, &OTHER),
    ];
    let two = desk.feed(&two).await.unwrap();
    assert_ne!(two[0].name, two[1].name);
    // Nor does one link on two items with other GUIDs.
    let two = [
        item("https://herald.example/live", "l-1", "Noon: talks begin", &["They met at noon."]),
        item("https://herald.example/live", "l-2", OTHER_TITLE, &OTHER),
    ];
    let two = desk.feed(&two).await.unwrap();
    assert_ne!(two[0].name, two[1].name);
}

#[tokio::test]
async fn a_feed_of_another_publisher_revises_no_page() {
    let desk = Desk::open().await;
    let page = desk.page(URL, TITLE, "", &PARAGRAPHS).await.unwrap();
    let claimed = [item(URL, "x-1", OTHER_TITLE, &OTHER)];
    let foreign = desk.feed_at("https://tribune.example/feed", &claimed).await.unwrap().remove(0);
    assert_ne!(foreign.name, page.name);
    assert!(!foreign.warnings.is_empty());
    // The publisher's own feed does.
    let own = [item(URL, "h-1", OTHER_TITLE, &OTHER)];
    let revised = desk.feed_at("https://feeds.herald.example/news", &own).await.unwrap().remove(0);
    assert_eq!((&revised.name, revised.outcome), (&page.name, IngestOutcome::Revised));
}

#[tokio::test]
async fn addresses_are_neither_decoded_nor_sorted() {
    let desk = Desk::open().await;
    let urls = [
        "https://herald.example/?title=%CF%F3%F2%FC",
        "https://herald.example/?title=%C4%EE%EC%E0",
        "https://herald.example/#!/news/1",
        "https://herald.example/#!/news/2",
        "https://herald.example/?b=1&a=2",
    ];
    for (number, url) in urls.into_iter().enumerate() {
        desk.page(url, &format!("Report {number} of the harbour"), "", &[OTHER[number % 2]]).await.unwrap();
    }
    let mut listed: Vec<String> = desk.listed().await.into_iter().map(|article| article.url).collect();
    listed.sort();
    let mut expected = urls.map(str::to_owned);
    expected.sort();
    assert_eq!(listed, expected);
    let one = desk.page("https://herald.example/%d0%bf%D0%be", TITLE, "", &PARAGRAPHS).await.unwrap();
    for url in ["https://herald.example/%D0%BF%D0%BE", "https://herald.example/по"] {
        assert_eq!(desk.page(url, TITLE, "", &PARAGRAPHS).await.unwrap().name, one.name, "{url}");
    }
}

#[tokio::test]
async fn a_late_older_copy_is_stale() {
    let modified = |time: &str| format!(r#"<meta property="article:modified_time" content="{time}">"#);
    let desk = Desk::open().await;
    let newest = desk.page(URL, TITLE, &modified("2026-05-02T10:00:00Z"), &PARAGRAPHS).await.unwrap();
    let late =
        desk.page(URL, "Channel may be dredged", &modified("2026-05-01T10:00:00Z"), &PARAGRAPHS[..2]).await.unwrap();
    assert_eq!((late.outcome, late.stale_part, &late.name), (IngestOutcome::Stale, VersionPart::Time, &newest.name));
    let listed = desk.listed().await;
    assert_eq!((listed.len(), listed[0].headline.as_str(), listed[0].revision), (1, TITLE, 1));
    let same_time = |source_version| Document {
        source_version,
        ..page(URL, &format!("Version {source_version}"), &modified("2026-05-03T10:00:00Z"), &PARAGRAPHS)
    };
    assert_eq!(desk.ingest(same_time(i64::MAX)).await.unwrap()[0].outcome, IngestOutcome::Revised);
    assert_eq!(desk.ingest(same_time(7)).await.unwrap()[0].stale_part, VersionPart::SourceVersion);
    let refused = desk.ingest(same_time(i64::MIN)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("document.source_version"), "{}", refused.message());
    // A clock that is a year ahead does not freeze the article.
    let ahead = modified("2099-01-01T00:00:00Z");
    desk.page(URL, "From the future", &ahead, &PARAGRAPHS).await.unwrap();
    let next = desk.page(URL, "From the future, corrected", &ahead, &PARAGRAPHS).await.unwrap();
    assert_eq!(next.outcome, IngestOutcome::Revised);
}

#[tokio::test]
async fn an_article_may_have_a_thousand_keys() {
    let desk = Desk::open().await;
    let head = format!(r#"<link rel="canonical" href="{URL}">"#);
    let first = desk.page(URL, TITLE, "", &PARAGRAPHS).await.unwrap();
    let mut client = desk.server.ingestion().await;
    let documents: Vec<IngestArticlesRequest> = (0..1_000)
        .map(|number| {
            let page = page(&format!("{URL}?position={number}"), TITLE, &head, &PARAGRAPHS);
            IngestArticlesRequest::of(number, page)
        })
        .collect();
    let mut answers = client.ingest_articles(tokio_stream::iter(documents)).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        let Some(ingest_articles_response::Result::Ingested(took)) = answer.result else { panic!("{answer:?}") };
        assert_eq!(took.into_first().unwrap().article.unwrap().name, first.name);
    }
    desk.withdraw(&first.name).await;
    let refused = desk.page(&format!("{URL}?position=999"), OTHER_TITLE, "", &OTHER).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn cycles_of_canonical_addresses_lose_nothing() {
    let desk = Desk::open().await;
    let urls = ["https://herald.example/channel-dredged", "https://herald.example/lighthouse-lit"];
    let head = |at: usize| format!(r#"<link rel="canonical" href="{}">"#, urls[1 - at]);
    for _ in 0..2 {
        desk.page(urls[0], TITLE, &head(0), &PARAGRAPHS).await.unwrap();
        desk.page(urls[1], OTHER_TITLE, &head(1), &OTHER).await.unwrap();
    }
    let mut listed: Vec<String> = desk.listed().await.into_iter().map(|article| article.headline).collect();
    listed.sort();
    assert_eq!(listed, [TITLE, OTHER_TITLE]);
}

#[tokio::test]
async fn homographs_are_other_articles() {
    let desk = Desk::open().await;
    // The second has a Cyrillic letter.
    let one = desk.page("https://herald.example/1", TITLE, "", &PARAGRAPHS).await.unwrap();
    let other = desk.page("https://h\u{435}rald.example/1", TITLE, "", &PARAGRAPHS).await.unwrap();
    assert_ne!(one.name, other.name);
    assert_eq!(other.outcome, IngestOutcome::Duplicate);
}
