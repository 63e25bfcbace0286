//! Stories over the wire: what is grouped, counted, listed and withdrawn, and who may see it.

use std::collections::{BTreeMap, BTreeSet};

use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use serde_json::Value;
use tonic::Code;
use tonic::transport::Channel;

use crate::bad_input::fields;
use crate::support::database::Cluster;
use crate::support::process::Serve;
use crate::test_server::{TestServer, ingest, ready};

type Reads = RetrievalServiceClient<Channel>;
type Writes = IngestionServiceClient<Channel>;

/// Reports of one event, each by another source.
pub const TANKER: [(&str, &str, &str); 3] = [
    (
        "eastport-post.example",
        "Tanker Halcyon runs onto the Skerry bank off Tarn Head",
        "The coastal tanker Halcyon ran onto the Skerry bank two miles off Tarn Head early on Tuesday with 1,900 \
         tonnes of diesel on board. The coastguard at Eastport said that all 14 members of the crew were safe, and \
         that no oil had been seen on the water.\n\nA tug from Eastport was to try to pull the Halcyon free at high \
         water in the evening. The master, Rafe Ollerton, had reported that the steering failed.",
    ),
    (
        "herald.example",
        "No oil seen around stranded tanker, says coastguard",
        "An aircraft that flew over the Skerry bank on Tuesday afternoon found no oil around the tanker Halcyon, \
         which has been aground there since the morning. It carries 1,900 tonnes of diesel.\n\nThe 14 sailors have \
         stayed on board, among them the master, Rafe Ollerton. “Her hull is sound,” said Mina Castell of the \
         coastguard at Eastport. Two tugs wait off Tarn Head for the evening's high water.",
    ),
    (
        "courier.example",
        "Fishermen of Tarn Head fear for their grounds",
        "Fishermen from Tarn Head watched the stranded tanker Halcyon from their boats on Tuesday. If its 1,900 \
         tonnes of diesel ran out, the crab grounds on the Skerry bank would be lost for years, their association \
         said.\n\nMina Castell of the coastguard told them on the quay at Eastport that the hull was sound, and that \
         the crew of 14 and its master, Ollerton, would stay on board until the tugs had pulled the ship free.",
    ),
];
/// Reports of another event.
pub const SCHOOL: [(&str, &str, &str); 2] = [
    (
        "herald.example",
        "Roof of Brackwell school falls in during the holidays",
        "The roof of the gymnasium of the primary school in Brackwell fell in on Monday night under 40 centimetres \
         of wet snow. Nobody was in the building, said the headmistress, Odile Farrow.\n\nThe school has 310 pupils. \
         The mayor, Jon Hesketh, said that lessons would be held in the town hall from Thursday.",
    ),
    (
        "tidewire.example",
        "Brackwell: pupils to be taught in the town hall",
        "After the collapse of the gymnasium roof, the 310 pupils of Brackwell's primary school will have their \
         lessons in the town hall, the mayor, Jon Hesketh, announced. The snow on the roof was 40 centimetres high \
         and wet.\n\nHeadmistress Odile Farrow thanked the caretaker, who had locked the hall an hour before.",
    ),
];

pub fn report(number: usize, (site, headline, body): (&str, &str, &str)) -> Article {
    Article {
        url: format!("https://{site}/news/{number}"),
        headline: headline.to_owned(),
        body: body.to_owned(),
        language_code: "en".to_owned(),
        ..Article::default()
    }
}

/// A server that groups articles.
pub struct Desk {
    pub server: TestServer,
    pub reads: Reads,
    pub writes: Writes,
    pub token: String,
}

impl Desk {
    /// Returns a desk at a server, which must have stories on.
    pub async fn at(server: TestServer) -> Self {
        let (reads, writes) = (server.retrieval().await, server.ingestion().await);
        Self { server, reads, writes, token: String::new() }
    }

    pub async fn with(articles: impl IntoIterator<Item = Article>) -> (Self, Vec<Article>) {
        let mut desk = Self::at(TestServer::with(|options| options.stories = true).await).await;
        let mut added = Vec::new();
        for article in articles {
            added.push(desk.add(article).await);
        }
        (desk, added)
    }

    pub async fn add(&mut self, article: Article) -> Article {
        let added = ingest(&mut self.writes, article).await.article.unwrap();
        self.token.clone_from(&added.change_token);
        added
    }

    fn fresh(&self) -> Option<Consistency> {
        Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(self.token.clone())) })
    }

    /// Returns the top stories as of the last change.
    pub async fn top(&mut self, filter: StoryFilter) -> Vec<TopStory> {
        let request = ListTopStoriesRequest { filter: Some(filter), consistency: self.fresh(), ..Default::default() };
        self.reads.list_top_stories(request).await.unwrap().into_inner().top_stories
    }

    pub async fn story(&mut self, name: &str) -> Result<Story, tonic::Status> {
        let answer = self.reads.get_story(GetStoryRequest { name: name.to_owned() }).await?;
        Ok(answer.into_inner().story.unwrap())
    }

    pub async fn withdraw(&mut self, request: WithdrawArticleRequest) -> WithdrawArticleResponse {
        let answer = self.server.editorial().await.withdraw_article(request).await.unwrap().into_inner();
        self.token = answer.article.clone().unwrap().change_token;
        answer
    }
}

pub fn both() -> Vec<Article> {
    TANKER.into_iter().chain(SCHOOL).enumerate().map(|(number, of)| report(number, of)).collect()
}

fn story_of(top: &[TopStory], lead: &Article) -> Story {
    let found = top.iter().filter_map(|top| top.story.clone()).find(|story| story.lead_article == lead.name);
    found.unwrap_or_else(|| panic!("no story of {} in {top:?}", lead.headline))
}

#[tokio::test]
async fn reports_of_one_event_are_a_story() {
    let (mut desk, articles) = Desk::with(both()).await;
    let top = desk.top(StoryFilter::default()).await;
    let counts: Vec<(i64, i64, i64)> = top
        .iter()
        .filter_map(|top| top.story.as_ref())
        .map(|story| (story.article_count, story.source_count, story.copy_count))
        .collect();
    assert_eq!(counts, [(3, 3, 0), (2, 2, 0)], "{top:?}");
    assert!(top[0].score > top[1].score);
    let tanker = story_of(&top, &articles[0]);
    assert_eq!(tanker.headline, articles[0].headline);
    assert_eq!(tanker.language_codes, ["en"]);
    assert_eq!(top[0].articles.len(), 3, "the lead and two other angles");
    assert_eq!(top[0].articles[0].name, articles[0].name);
    for article in &articles[..3] {
        assert_eq!(desk.story(&format!("{}/story", article.name)).await.unwrap(), tanker);
    }
    assert_eq!(desk.story(&tanker.name).await.unwrap(), tanker);
    let listed = ListStoriesRequest { consistency: desk.fresh(), ..Default::default() };
    let listed = desk.reads.list_stories(listed).await.unwrap().into_inner();
    let names: BTreeSet<&str> = listed.stories.iter().map(|story| story.name.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(listed.stories[0].lead_article, articles[3].name, "the one with the latest article first");
    assert!(!listed.grouped_token.is_empty());

    // Filters restrict what counts.
    let of_source = StoryFilter { sources: vec!["HERALD.example".into()], ..StoryFilter::default() };
    let counts: Vec<i64> =
        desk.top(of_source).await.iter().map(|top| top.story.as_ref().unwrap().article_count).collect();
    assert_eq!(counts, [1, 1]);
    let several = StoryFilter { min_source_count: 3, ..StoryFilter::default() };
    assert_eq!(desk.top(several).await.len(), 1);
    let german = StoryFilter { languages: vec!["de".into()], ..StoryFilter::default() };
    assert!(desk.top(german).await.is_empty());
}

#[tokio::test]
async fn reads_raise_a_story() {
    let (mut desk, articles) = Desk::with(both()).await;
    let before = desk.top(StoryFilter::default()).await;
    assert_eq!(before[0].story.as_ref().unwrap().lead_article, articles[0].name, "that of more sources");
    let reads = ArticleReads { article: articles[4].name.clone(), read_count: 5_000, read_time: None };
    desk.reads.record_reads(RecordReadsRequest { reads: vec![reads] }).await.unwrap();
    let mut after = before.clone();
    let raised = async {
        while after[0].story.as_ref().unwrap().lead_article != articles[3].name {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            after = desk.top(StoryFilter::default()).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), raised).await.expect("the story that is read is first");
    // It has the most read article.
    let ratio = after[0].score / before[1].score;
    assert!((1.45..=1.5).contains(&ratio), "{ratio}");
    let ratio = after[1].score / before[0].score;
    assert!((0.95..=1.0).contains(&ratio), "the score of a story that is not read only ages: {ratio}");
    // Reads of articles that do not count raise nothing.
    let of_source = StoryFilter { sources: vec!["herald.example".into()], ..StoryFilter::default() };
    let top = desk.top(of_source).await;
    assert_eq!(top.len(), 2);
    assert!((top[0].score / top[1].score - 1.0).abs() < 0.05, "{top:?}");
}

#[tokio::test]
async fn copies_count_once_for_their_agency() {
    let (_, headline, body) = TANKER[0];
    let sites = ["herald.example", "courier.example", "tidewire.example", "northwire.example"];
    let copies = sites
        .iter()
        .enumerate()
        .map(|(number, site)| Article { agency: "Northwire".into(), ..report(number, (site, headline, body)) });
    let own = report(9, TANKER[1]);
    let (mut desk, articles) =
        Desk::with(copies.chain([Article { url: "https://post.example/1".into(), ..own }])).await;
    let top = desk.top(StoryFilter::default()).await;
    assert_eq!(top.len(), 1, "{top:?}");
    let story = top[0].story.clone().unwrap();
    assert_eq!((story.article_count, story.source_count, story.copy_count), (5, 2, 3));
    assert_eq!(story.lead_article, articles[3].name, "the agency's own");
    assert_eq!(top[0].articles.len(), 2, "without copies");
}

#[tokio::test]
async fn hidden_articles_count_in_nothing() {
    let (mut desk, articles) = Desk::with(both()).await;
    let before = story_of(&desk.top(StoryFilter::default()).await, &articles[0]);
    let withdrawn = articles[0].name.clone();
    desk.withdraw(WithdrawArticleRequest { name: withdrawn.clone(), ..Default::default() }).await;
    let after = story_of(&desk.top(StoryFilter::default()).await, &articles[1]);
    assert_eq!((&after.name, after.article_count, after.source_count), (&before.name, 2, 2));
    assert_eq!(desk.story(&before.name).await.unwrap(), after);
    let refused = desk.story(&format!("{withdrawn}/story")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    // It comes back to its story.
    let request = ReinstateArticleRequest { name: withdrawn.clone(), ..Default::default() };
    let answer = desk.server.editorial().await.reinstate_article(request).await.unwrap().into_inner();
    desk.token = answer.article.unwrap().change_token;
    assert_eq!(story_of(&desk.top(StoryFilter::default()).await, &articles[0]), before);

    // An article under embargo is in no story.
    let embargo = jiff::Timestamp::now().as_second() + 3_600;
    let document = Document {
        embargo_time: Some(prost_types::Timestamp { seconds: embargo, nanos: 0 }),
        ..ready(report(7, ("tidewire.example", "Halcyon still aground", TANKER[1].2)))
    };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let answer = desk.writes.ingest_article(request).await.unwrap().into_inner();
    desk.token = answer.into_first().unwrap().article.unwrap().change_token;
    assert_eq!(story_of(&desk.top(StoryFilter::default()).await, &articles[0]), before);
}

#[tokio::test]
async fn a_kill_may_take_the_story() {
    let (mut desk, articles) = Desk::with(both()).await;
    let story = story_of(&desk.top(StoryFilter::default()).await, &articles[0]);
    let request = WithdrawArticleRequest {
        name: articles[0].name.clone(),
        reason: "It did not happen.".into(),
        scope: WithdrawScope::Story.into(),
        ..Default::default()
    };
    let planned = desk.withdraw(WithdrawArticleRequest { validate_only: true, ..request.clone() }).await;
    let done = desk.withdraw(request).await;
    assert_eq!(planned.copies, done.copies);
    let names: BTreeSet<&str> = done.copies.iter().map(|copy| copy.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from([articles[1].name.as_str(), articles[2].name.as_str()]));
    assert!(done.copies.iter().all(|copy| copy.outcome() == CopyOutcome::Withdrawn));
    let refused = desk.story(&story.name).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    // The other articles of the story are withdrawn after the one whose token is known.
    let full = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
    let request = ListTopStoriesRequest { consistency: full, ..Default::default() };
    let left = desk.reads.list_top_stories(request).await.unwrap().into_inner().top_stories;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].story.as_ref().unwrap().lead_article, articles[3].name);
}

#[tokio::test]
async fn the_articles_of_the_story_are_related_first() {
    let (mut desk, articles) = Desk::with(both()).await;
    desk.top(StoryFilter::default()).await;
    let mut request = ListRelatedArticlesRequest {
        name: articles[0].name.clone(),
        page_size: 1,
        consistency: desk.fresh(),
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = desk.reads.list_related_articles(request.clone()).await.unwrap().into_inner();
        found.extend(page.related_articles.into_iter().map(|it| (it.article.unwrap().name, it.same_story)));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let of_story = [(articles[2].name.clone(), true), (articles[1].name.clone(), true)];
    assert_eq!(found[..2], of_story, "the latest first");
    let story = desk.story(&format!("{}/story", articles[0].name)).await.unwrap().name;
    let read_mask = Some(prost_types::FieldMask { paths: vec!["name".into(), "story".into()] });
    let (within, without) = (StringCondition::any_of([&story]), StringCondition::none_of([&story]));
    for (condition, is_in) in [(within, true), (without, false)] {
        let filter = Some(ArticleFilter { stories: Some(condition), ..Default::default() });
        let request = ListRelatedArticlesRequest {
            filter,
            read_mask: read_mask.clone(),
            page_size: 50,
            page_token: String::new(),
            ..request.clone()
        };
        let related = desk.reads.list_related_articles(request).await.unwrap().into_inner().related_articles;
        assert!(related.iter().all(|it| (it.article.as_ref().unwrap().story == story) == is_in), "{related:?}");
        assert_eq!(related.iter().filter(|it| it.same_story).count(), if is_in { 2 } else { 0 });
    }
    let distinct: BTreeSet<&String> = found.iter().map(|(name, _)| name).collect();
    assert_eq!(distinct.len(), found.len(), "{found:?}");
    assert!(found[2..].iter().all(|(_, same_story)| !same_story));
}

#[tokio::test]
async fn pages_have_each_story_and_article_once() {
    let (mut desk, articles) = Desk::with(both()).await;
    let mut request = ListTopStoriesRequest { page_size: 1, consistency: desk.fresh(), ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page = desk.reads.list_top_stories(request.clone()).await.unwrap().into_inner();
        names.extend(page.top_stories.into_iter().map(|top| top.story.unwrap().name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 2, "{names:?}");
    assert_eq!(names.len(), 2);
    let parent = desk.story(&format!("{}/story", articles[0].name)).await.unwrap().name;
    // The story is known there.
    let read_mask = Some(prost_types::FieldMask { paths: vec!["name".into(), "story".into()] });
    let with_story =
        ListStoryArticlesRequest { parent: parent.clone(), read_mask: read_mask.clone(), ..Default::default() };
    let listed = desk.reads.list_story_articles(with_story).await.unwrap().into_inner().articles;
    let name_of = |article: &Article| Article { name: article.name.clone(), ..Article::default() };
    let expected = articles[..3].iter().map(|article| Article { story: parent.clone(), ..name_of(article) });
    assert_eq!(listed, expected.collect::<Vec<_>>());
    let with_story = ListTopStoriesRequest { read_mask, consistency: desk.fresh(), ..Default::default() };
    for top in desk.reads.list_top_stories(with_story).await.unwrap().into_inner().top_stories {
        assert!(top.articles.iter().all(|article| article.story == top.story.as_ref().unwrap().name));
    }
    let mut request = ListStoryArticlesRequest { parent, page_size: 2, ..Default::default() };
    let first = desk.reads.list_story_articles(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token.clone();
    let second = desk.reads.list_story_articles(request).await.unwrap().into_inner();
    let listed: Vec<&str> = first.articles.iter().chain(&second.articles).map(|it| it.name.as_str()).collect();
    assert_eq!(listed, articles[..3].iter().map(|article| article.name.as_str()).collect::<Vec<_>>());
    assert!(second.next_page_token.is_empty());
}

#[tokio::test]
async fn invalid_requests_name_the_field() {
    let (mut desk, _) = Desk::with([]).await;
    for name in ["stories/x", "stories/", "articles/a/b/story", "articles/A/story", ""] {
        let refused = desk.story(name).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec!["name".to_owned()]), "{name}");
    }
    let missing = desk.story("stories/00000000000000000000000000").await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(desk.story("articles/nothing/story").await.unwrap_err().code(), Code::NotFound);
    let filter = |filter| Some(filter);
    let many = || vec!["x".to_owned(); 101];
    for (request, field) in [
        (ListTopStoriesRequest { page_size: -1, ..Default::default() }, "page_size"),
        (ListTopStoriesRequest { max_story_articles: -1, ..Default::default() }, "max_story_articles"),
        (ListTopStoriesRequest { page_token: "x".into(), ..Default::default() }, "page_token"),
        (
            ListTopStoriesRequest {
                filter: filter(StoryFilter { min_source_count: -1, ..Default::default() }),
                ..Default::default()
            },
            "filter.min_source_count",
        ),
        (
            ListTopStoriesRequest {
                filter: filter(StoryFilter { sections: many(), ..Default::default() }),
                ..Default::default()
            },
            "filter.sections",
        ),
    ] {
        let refused = desk.reads.list_top_stories(request).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
    let mut off = TestServer::start().await.retrieval().await;
    let refused = off.list_stories(ListStoriesRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

/// Returns the reports of the judged events, in the order of their times, with their events.
pub fn judged() -> Vec<(String, Article)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/search/events/reports.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut reports: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    reports.sort_by_key(|report| report["publish_time"].as_str().unwrap().to_owned());
    let texts = |report: &Value, field: &str| report[field].as_str().unwrap().to_owned();
    let reports = reports.iter().map(|report| {
        let time: jiff::Timestamp = report["publish_time"].as_str().unwrap().parse().unwrap();
        let article = Article {
            url: format!("https://{}/{}", texts(report, "source"), texts(report, "id")),
            headline: texts(report, "headline"),
            body: texts(report, "body"),
            language_code: texts(report, "language"),
            publish_time: Some(prost_types::Timestamp { seconds: time.as_second(), nanos: 0 }),
            ..Article::default()
        };
        (texts(report, "event"), article)
    });
    reports.collect()
}

/// Returns the story of each report, by its URL.
async fn stories_of(reads: &mut Reads, articles: &[Article]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for article in articles {
        let request = GetStoryRequest { name: format!("{}/story", article.name) };
        let story = match reads.get_story(request).await {
            Ok(answer) => answer.into_inner().story.unwrap().name,
            Err(status) if status.code() == Code::NotFound => String::new(),
            Err(status) => panic!("{status}"),
        };
        found.insert(article.url.clone(), story);
    }
    found
}

/// Ingests articles one after the other, and waits until they are grouped: if necessary by a replica that takes over.
pub async fn grouped(reads: &mut Reads, writes: &mut Writes, articles: &[(String, Article)]) -> Vec<Article> {
    let mut added = Vec::new();
    for (_, article) in articles {
        added.push(ingest(writes, article.clone()).await.article.unwrap());
    }
    let token = added.last().unwrap().change_token.clone();
    let requirement = Some(consistency::Requirement::AtLeastAsFresh(token));
    let request = ListStoriesRequest { consistency: Some(Consistency { requirement }), ..Default::default() };
    while let Err(status) = reads.list_stories(request.clone()).await {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    added
}

/// Two engines, and on one of them replicas of which the one that groups is killed in the middle, decide the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_of_every_engine_decides_the_same() {
    let reports: Vec<_> = judged().into_iter().filter(|(event, _)| event.starts_with("a-")).collect();
    let (first, second) = reports.split_at(reports.len() / 2);

    let (desk, _) = Desk::with([]).await;
    let (mut reads, mut writes) = (desk.reads.clone(), desk.writes.clone());
    let mut embedded = grouped(&mut reads, &mut writes, first).await;
    embedded.extend(grouped(&mut reads, &mut writes, second).await);
    let expected = stories_of(&mut reads, &embedded).await;

    let cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let flags = ["--store", &database.url, "--log-level", "error"];
    let leader = Serve::on(dirs[0].path(), &flags);
    let mut client = leader.client().await;
    let mut added = grouped(&mut client.retrieval, &mut client.ingestion, first).await;
    let other = Serve::on(dirs[1].path(), &flags);
    let mut successor = other.client().await;
    leader.kill();
    added.extend(grouped(&mut successor.retrieval, &mut successor.ingestion, second).await);
    let found = stories_of(&mut successor.retrieval, &added).await;
    let different: Vec<&String> = expected.keys().filter(|url| found[*url] != expected[*url]).collect();
    assert!(different.is_empty(), "{different:?}");
    other.stop();
    assert!(expected.values().filter(|story| !story.is_empty()).count() * 10 > expected.len() * 9, "{expected:?}");
}
