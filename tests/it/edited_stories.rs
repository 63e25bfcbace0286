//! Stories that editors change: moves, merges, and what holds afterwards.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use copydesk::access::AuditTarget;
use copydesk::article::StoryId;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use copydesk::store::{GroupingStep, StoryMember};
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::bad_input::fields;
use crate::conformance::databases::open;
use crate::conformance::stories::put;
use crate::grouped_stories::{Desk, SCHOOL, TANKER, both, grouped, report};
use crate::support::database::Cluster;
use crate::support::process::{Serve, run};
use crate::test_server::TestServer;

/// Maximum time until articles are grouped after an edit: less than the lease of the replica that groups.
const AT_ONCE: Duration = Duration::from_secs(7);

fn to_move(parent: &str, articles: &[&Article], destination: &str) -> MoveStoryArticlesRequest {
    MoveStoryArticlesRequest {
        parent: parent.to_owned(),
        articles: articles.iter().map(|article| article.name.clone()).collect(),
        destination_story: destination.to_owned(),
        validate_only: false,
    }
}

fn to_merge(name: &str, source: &str) -> MergeStoriesRequest {
    MergeStoriesRequest { name: name.to_owned(), source_story: source.to_owned(), validate_only: false }
}

/// Returns a revision of a report of the tanker, with another headline and body.
fn revised(number: usize, headline: &str, body: &str) -> Article {
    report(number, (TANKER[number].0, headline, body))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

impl Desk {
    async fn moved(&mut self, request: MoveStoryArticlesRequest) -> Result<Story, Status> {
        let answer = self.server.editorial().await.move_story_articles(request).await?;
        Ok(answer.into_inner().story.unwrap())
    }

    async fn merged(&mut self, request: MergeStoriesRequest) -> Result<Story, Status> {
        let answer = self.server.editorial().await.merge_stories(request).await?;
        Ok(answer.into_inner().story.unwrap())
    }

    async fn story_of(&mut self, article: &Article) -> String {
        self.story(&format!("{}/story", article.name)).await.unwrap().name
    }

    /// Waits until the changes are grouped, and returns the names of the stories of articles.
    async fn stories_of(&mut self, articles: &[&Article]) -> Vec<String> {
        self.top(StoryFilter::default()).await;
        let mut names = Vec::new();
        for article in articles {
            names.push(self.story_of(article).await);
        }
        names
    }

    /// Stops the server, and starts it again.
    async fn restarted(self) -> Self {
        let dir = self.server.stop().await;
        Self::at(TestServer::on(dir, |options| options.stories = true).await).await
    }
}

#[tokio::test]
async fn articles_are_divided_from_their_story_and_stay_so() {
    let (mut desk, articles) = Desk::with(both()).await;
    let [first, second, third] = [&articles[0], &articles[1], &articles[2]];
    let stories = desk.stories_of(&[first, second, third]).await;
    let story = stories[0].clone();
    assert_eq!(stories, [&*story; 3]);
    let before = desk.story(&story).await.unwrap();

    let request = to_move(&story, &[third], "");
    let planned = desk.moved(MoveStoryArticlesRequest { validate_only: true, ..request.clone() }).await.unwrap();
    assert_eq!(desk.story(&story).await.unwrap(), before, "a dry run");
    let divided = desk.moved(request.clone()).await.unwrap();
    assert_eq!(planned, divided);
    assert_eq!((divided.article_count, divided.lead_article.as_str()), (1, third.name.as_str()));
    assert_eq!(desk.story(&divided.name).await.unwrap(), divided);
    assert_eq!(desk.story(&story).await.unwrap().article_count, 2);
    assert_eq!(desk.moved(request).await.unwrap(), divided, "repeated");

    // The lists have it, too: the follower is woken, and an order is kept for a second.
    let until = Instant::now() + Duration::from_secs(10);
    while desk.top(StoryFilter::default()).await.iter().all(|top| top.story.as_ref() != Some(&divided)) {
        assert!(Instant::now() < until, "not listed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // A revision with the text of the story that it was in, and a copy of the article.
    let revision = desk.add(revised(2, TANKER[0].1, TANKER[0].2)).await;
    assert_eq!(revision.name, third.name);
    assert_eq!(desk.stories_of(&[first, second, third]).await, [&*story, &story, &divided.name]);
    desk.add(report(2, TANKER[2])).await;
    let copy = desk.add(report(10, ("northwire.example", TANKER[2].1, TANKER[2].2))).await;
    let expected = [&*story, &story, &divided.name, &divided.name];
    assert_eq!(desk.stories_of(&[first, second, third, &copy]).await, expected);
    let story_now = desk.story(&divided.name).await.unwrap();
    assert_eq!((story_now.article_count, story_now.copy_count), (2, 1));

    // A server that starts reads what is stored.
    let mut desk = desk.restarted().await;
    desk.add(revised(2, "Tarn Head: fishermen fear for their grounds", TANKER[1].2)).await;
    assert_eq!(desk.stories_of(&[first, second, third, &copy]).await, expected);
}

#[tokio::test]
async fn articles_move_to_another_story() {
    let (mut desk, articles) = Desk::with(both()).await;
    let all: Vec<&Article> = articles.iter().collect();
    let stories = desk.stories_of(&all).await;
    let (tanker, school) = (stories[0].clone(), stories[3].clone());
    let moved = desk.moved(to_move(&school, &[all[4]], &tanker)).await.unwrap();
    assert_eq!((&moved.name, moved.article_count, moved.source_count), (&tanker, 4, 4));
    assert_eq!(desk.moved(to_move(&school, &[all[4]], &tanker)).await.unwrap(), moved, "repeated");
    let expected = [&*tanker, &tanker, &tanker, &school, &tanker];
    assert_eq!(desk.stories_of(&all).await, expected);
    desk.add(report(4, (SCHOOL[1].0, SCHOOL[0].1, SCHOOL[0].2))).await;
    assert_eq!(desk.stories_of(&all).await, expected, "the text of the story that it was in");

    // The last article of a story: the name of the story returns the destination.
    let moved = desk.moved(to_move(&school, &[all[3]], &tanker)).await.unwrap();
    assert_eq!((&moved.name, moved.article_count), (&tanker, 5));
    assert_eq!(desk.story(&school).await.unwrap(), moved);
    assert_eq!(desk.moved(to_move(&school, &[all[3]], &tanker)).await.unwrap(), moved, "repeated");

    // All articles of a story: they stay together.
    let kept = desk.moved(to_move(&tanker, &all, "")).await.unwrap();
    assert_eq!(kept, moved);
    let mut desk = desk.restarted().await;
    desk.add(revised(0, SCHOOL[0].1, SCHOOL[0].2)).await;
    assert_eq!(desk.stories_of(&all).await, [&*tanker; 5]);
}

#[tokio::test]
async fn stories_are_merged_and_stay_so() {
    let (mut desk, articles) = Desk::with(both()).await;
    let all: Vec<&Article> = articles.iter().collect();
    let stories = desk.stories_of(&all).await;
    // The one that was founded later remains.
    let (tanker, school) = (stories[0].clone(), stories[3].clone());
    let request = to_merge(&school, &tanker);
    let planned = desk.merged(MergeStoriesRequest { validate_only: true, ..request.clone() }).await.unwrap();
    assert_eq!(desk.story(&tanker).await.unwrap().article_count, 3, "a dry run");
    let merged = desk.merged(request.clone()).await.unwrap();
    assert_eq!(planned, merged);
    assert_eq!((&merged.name, merged.article_count, &merged.lead_article), (&school, 5, &articles[0].name));
    for name in [&tanker, &school] {
        assert_eq!(desk.story(name).await.unwrap(), merged);
    }
    // Names of merged stories are accepted, and a repeated merge changes nothing.
    for request in [request, to_merge(&tanker, &school)] {
        assert_eq!(desk.merged(request).await.unwrap(), merged);
    }
    desk.add(revised(1, TANKER[0].1, TANKER[0].2)).await;
    let other =
        desk.add(report(11, ("northwire.example", "Orlsund council meets", "The council of Orlsund meets."))).await;
    assert_eq!(desk.stories_of(&all).await, [&*school; 5]);
    let other_story = desk.story_of(&other).await;
    assert_ne!(other_story, school);

    let mut desk = desk.restarted().await;
    desk.add(revised(0, TANKER[1].1, TANKER[1].2)).await;
    assert_eq!(desk.stories_of(&all).await, [&*school; 5]);
    let divided = desk.moved(to_move(&tanker, &all[3..], "")).await.unwrap();
    assert_eq!(divided.article_count, 2);
    assert_eq!(desk.merged(to_merge(&other_story, &tanker)).await.unwrap().article_count, 4);
    for name in [&tanker, &school, &other_story] {
        assert_eq!(desk.story(name).await.unwrap().name, other_story);
    }
}

#[tokio::test]
async fn hidden_articles_are_moved_and_not_disclosed() {
    let (mut desk, articles) = Desk::with(both()).await;
    let all: Vec<&Article> = articles.iter().collect();
    let story = desk.stories_of(&all[..3]).await.remove(0);
    desk.withdraw(WithdrawArticleRequest { name: articles[0].name.clone(), ..Default::default() }).await;
    let hidden = desk.moved(to_move(&story, &[all[0]], "")).await.unwrap();
    assert_eq!(hidden, Story { name: hidden.name.clone(), ..Story::default() });
    assert_eq!(desk.story(&hidden.name).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(desk.story(&story).await.unwrap().article_count, 2);
    let moved = desk.moved(to_move(&story, &[all[1]], &hidden.name)).await.unwrap();
    assert_eq!((&moved.name, moved.article_count, &moved.lead_article), (&hidden.name, 1, &articles[1].name));

    // It comes back to where it was moved to.
    let request = ReinstateArticleRequest { name: articles[0].name.clone(), ..Default::default() };
    desk.server.editorial().await.reinstate_article(request).await.unwrap();
    desk.add(report(12, ("northwire.example", "Orlsund council meets", "The council of Orlsund meets."))).await;
    assert_eq!(desk.stories_of(&all[..3]).await, [&*hidden.name, &hidden.name, &story]);

    let request = PurgeArticleRequest { name: articles[1].name.clone(), ..Default::default() };
    desk.server.editorial().await.purge_article(request).await.unwrap();
    let refused = desk.moved(to_move(&hidden.name, &[all[1]], &story)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "ARTICLE_PURGED"));
    // It goes with its story.
    let merged = desk.merged(to_merge(&story, &hidden.name)).await.unwrap();
    assert_eq!((&merged.name, merged.article_count), (&story, 2));
    desk.top(StoryFilter::default()).await;
    assert_eq!(desk.story(&hidden.name).await.unwrap(), merged, "after the purge is grouped");
}

#[tokio::test]
async fn invalid_requests_name_the_field() {
    let (mut desk, articles) = Desk::with(both()).await;
    let all: Vec<&Article> = articles.iter().collect();
    let stories = desk.stories_of(&all).await;
    let (tanker, school) = (stories[0].as_str(), stories[3].as_str());
    let missing = "stories/00000000000000000000000000";
    let many = [(); 101]
        .map(|()| Article { name: format!("articles/{}", uuid::Uuid::new_v4().simple()), ..Article::default() });
    let unknown = Article { name: "articles/nothing".into(), ..Article::default() };
    let invalid = Article { name: "stories/x".into(), ..Article::default() };
    for (request, expected) in [
        (to_move("stories/x", &[], "x"), &["parent", "destination_story", "articles"][..]),
        (to_move(tanker, &many.iter().collect::<Vec<_>>(), ""), &["articles"]),
        (to_move(tanker, &[all[0], all[1], all[0]], ""), &["articles[2]"]),
        (to_move(tanker, &[all[0], &invalid], ""), &["articles[1]"]),
        (to_move(tanker, &[all[0], all[3], &unknown], ""), &["articles[1]", "articles[2]"]),
        (to_move(tanker, &[all[4]], ""), &["articles[0]"]),
        (to_move(tanker, &[all[0]], tanker), &["destination_story"]),
    ] {
        for validate_only in [true, false] {
            let request = MoveStoryArticlesRequest { validate_only, ..request.clone() };
            let refused = desk.moved(request).await.unwrap_err();
            let named: BTreeSet<String> = fields(&refused).into_iter().collect();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            assert_eq!(named, expected.iter().map(|field| (*field).to_owned()).collect(), "{refused}");
        }
    }
    for (request, expected) in
        [(to_merge("", "x"), &["name", "source_story"][..]), (to_merge(tanker, tanker), &["source_story"])]
    {
        let refused = desk.merged(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert_eq!(fields(&refused), expected);
    }
    for request in [to_move(missing, &[all[0]], school), to_move(tanker, &[all[0]], missing)] {
        let refused = desk.moved(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "STORY_NOT_FOUND"));
        assert!(refused.message().contains(missing), "{refused}");
    }
    for request in [to_merge(missing, school), to_merge(school, missing)] {
        assert_eq!(desk.merged(request).await.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(desk.stories_of(&all).await, stories, "nothing is changed");
    let mut off = TestServer::start().await.editorial().await;
    let refused = off.merge_stories(to_merge(tanker, school)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unimplemented, "STORIES_OFF"));
}

/// A story of 1,001 articles takes none, and is no part of a merge; articles can be moved out of it.
#[tokio::test]
async fn large_stories_can_only_get_smaller() {
    let database = Cluster::shared().database().await;
    let options = database.options();
    let store = open(options.clone()).await;
    let server = TestServer::with(|server| {
        server.store = StoreOptions::Postgres(Box::new(options));
        server.stories = true;
    });
    let mut desk = Desk::at(server.await).await;
    let names: Vec<String> = (0..=1_000).map(|number| format!("a-{number}")).collect();
    put(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let large = StoryId::founded_by(&names[0].parse().unwrap(), 0);
    // As if they had left the window.
    let member = |name: &String| StoryMember {
        article: name.parse().unwrap(),
        story: large,
        by_editor: false,
        report: Vec::new(),
    };
    loop {
        let from = store.grouped_until().await.unwrap();
        let until = from.cursor;
        let is_grouped = store.head().await.unwrap() == until.position;
        let step = GroupingStep {
            from,
            until,
            members: names.iter().map(member).collect(),
            renumbered: Vec::new(),
            merges: Vec::new(),
        };
        if is_grouped && store.apply_grouping(step).await.unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    put(&store, &["b-0"]).await;
    let other = Article { name: "articles/b-0".into(), ..Article::default() };
    let small = loop {
        match desk.story(&format!("{}/story", other.name)).await {
            Ok(story) => break story.name,
            Err(status) => assert_eq!(status.code(), Code::NotFound, "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let large = large.name();
    let is_refused = |refused: Status| {
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "STORY_TOO_LARGE"));
        assert!(refused.message().contains("1000"), "{refused}");
    };
    is_refused(desk.merged(to_merge(&large, &small)).await.unwrap_err());
    is_refused(desk.merged(to_merge(&small, &large)).await.unwrap_err());
    is_refused(desk.moved(to_move(&small, &[&other], &large)).await.unwrap_err());
    let named = |number: usize| Article { name: format!("articles/{}", names[number]), ..Article::default() };
    let divided = desk.moved(to_move(&large, &[&named(1), &named(1_000)], "")).await.unwrap();
    assert_eq!(divided.article_count, 2);
    let merged = desk.merged(to_merge(&large, &small)).await.unwrap();
    assert_eq!((merged.name, merged.article_count), (large.clone(), 1_000));
    is_refused(desk.merged(to_merge(&large, &divided.name)).await.unwrap_err());
}

#[tokio::test]
async fn decisions_are_in_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let server = TestServer::with(|options| {
        options.stories = true;
        options.audit_log = AuditTarget::File(path.clone());
    });
    let mut desk = Desk::at(server.await).await;
    let mut articles = Vec::new();
    for article in both() {
        articles.push(desk.add(article).await);
    }
    let stories = desk.stories_of(&[&articles[0], &articles[3]]).await;
    let (tanker, school) = (stories[0].as_str(), stories[1].as_str());
    let request = to_move(tanker, &[&articles[1], &articles[2]], school);
    desk.moved(MoveStoryArticlesRequest { validate_only: true, ..request.clone() }).await.unwrap();
    desk.moved(to_move(tanker, &[&articles[3]], "")).await.unwrap_err();
    desk.moved(request.clone()).await.unwrap();
    desk.moved(request).await.unwrap();
    desk.merged(to_merge(school, tanker)).await.unwrap();
    let of_stories = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line.strip_suffix('\n')?).ok());
        lines.filter(|line: &Value| line.get("story").is_some()).collect::<Vec<_>>()
    };
    let until = Instant::now() + Duration::from_secs(10);
    while of_stories().len() < 5 {
        assert!(Instant::now() < until, "{:?}", of_stories());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lines = of_stories();
    let shown = lines.iter().map(|line| {
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        assert!(line.get("revision").is_none());
        [text("outcome"), text("article"), text("story"), text("source_story")]
    });
    let (second, third) = (articles[1].name.as_str(), articles[2].name.as_str());
    let expected = [
        ["MOVED", second, school, ""],
        ["MOVED", third, school, ""],
        ["UNCHANGED", second, school, ""],
        ["UNCHANGED", third, school, ""],
        ["MERGED", "", school, tanker],
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected.map(|line| line.map(str::to_owned)));
    assert_eq!(lines[4]["method"], "copydesk.v1.EditorialService/MergeStories");
}

#[tokio::test]
async fn the_commands_move_and_merge() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &["--log-level", "error"]);
    let mut client = server.client().await;
    let documents: Vec<(String, Article)> = both().into_iter().map(|article| (String::new(), article)).collect();
    let articles = grouped(&mut client.retrieval, &mut client.ingestion, &documents).await;
    let succeed = |args: &[&str]| {
        let (code, shown, errors) = run(&[args, &["--addr", &server.address]].concat());
        assert_eq!(code, 0, "{args:?}: {errors}");
        shown
    };
    let story = |of: usize| {
        let shown = succeed(&["story", &articles[of].name]);
        shown.split_whitespace().find(|word| word.starts_with("stories/")).unwrap().to_owned()
    };
    let (tanker, school) = (story(0), story(3));
    let third = articles[2].name.strip_prefix("articles/").unwrap();
    let dry = succeed(&["move-articles", &tanker, third, "--dry-run"]);
    assert!(dry.contains("1 articles") && dry.contains("dry run") && dry.contains(&articles[2].headline), "{dry}");
    let moved = succeed(&["move-articles", &tanker, third, &articles[1].name, "--to", &school]);
    assert!(moved.contains(&school) && moved.contains("4 articles"), "{moved}");
    let merged = succeed(&["merge-stories", &tanker, &school, "--json"]);
    let merged: Value = serde_json::from_str(&merged).unwrap();
    assert_eq!(merged["name"], tanker.as_str());
    assert_eq!(story(4), tanker);
    let (code, _, errors) = run(&["move-articles", &tanker, "nothing", "--addr", &server.address]);
    assert!(code == 1 && errors.contains("articles[0]"), "{errors}");
}

/// Every replica takes decisions, and the one that groups goes on at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_holds_on_every_replica() {
    let cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let flags = ["--store", &database.url, "--log-level", "error"];
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let leader = Serve::on(dirs[0].path(), &flags);
    let mut first = leader.client().await;
    let documents: Vec<(String, Article)> = both().into_iter().map(|article| (String::new(), article)).collect();
    let articles = grouped(&mut first.retrieval, &mut first.ingestion, &documents).await;
    let others = [Serve::on(dirs[1].path(), &flags), Serve::on(dirs[2].path(), &flags)];
    let mut clients = vec![first, others[0].client().await, others[1].client().await];
    let all: Vec<&Article> = articles.iter().collect();
    let story_of = async |client: &mut copydesk_client::Client, article: &Article| {
        let request = GetStoryRequest { name: format!("{}/story", article.name) };
        client.retrieval.get_story(request).await.unwrap().into_inner().story.unwrap().name
    };
    let tanker = story_of(&mut clients[0], all[0]).await;

    // Articles are ingested and grouped meanwhile; each decision is taken elsewhere.
    let mut writes = clients[0].ingestion.clone();
    let ingesting = tokio::spawn(async move {
        for number in 0..60 {
            let of = TANKER[number % 3];
            let article = report(100 + number, (&format!("site-{number}.example"), of.1, of.2));
            crate::test_server::ingest(&mut writes, article).await;
        }
    });
    let mut stories = vec![tanker.clone()];
    for round in 0..30 {
        let (parent, client) = (stories.last().unwrap().clone(), &mut clients[round % 3]);
        let destination = if parent == tanker { "" } else { &tanker };
        let request = to_move(&parent, &[all[2]], destination);
        let story = client.editorial.move_story_articles(request).await.unwrap().into_inner().story.unwrap();
        stories.push(story.name);
    }
    ingesting.await.unwrap();
    let divided = stories[1].clone();
    assert_ne!(divided, tanker);
    let request = to_move(&tanker, &[all[2]], "");
    let last = clients[1].editorial.move_story_articles(request).await.unwrap().into_inner().story.unwrap();
    assert_eq!(last.name, divided, "the same articles of the same story");

    let began = Instant::now();
    let copy = report(7, ("northwire.example", TANKER[2].1, TANKER[2].2));
    let both = [(String::new(), copy), (String::new(), revised(2, TANKER[0].1, TANKER[0].2))];
    for client in &mut clients {
        grouped(&mut client.retrieval, &mut client.ingestion, &both).await;
        assert_eq!(story_of(client, all[2]).await, divided);
        assert_eq!(story_of(client, all[0]).await, tanker);
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());

    // A merge at a replica that does not group; another replica takes over.
    let request = to_merge(&divided, &tanker);
    let merged = clients[2].editorial.merge_stories(request).await.unwrap().into_inner().story.unwrap();
    assert_eq!((&merged.name, merged.article_count > 60), (&divided, true), "{merged:?}");
    leader.kill();
    let client = &mut clients[1];
    let changed = [(String::new(), revised(0, SCHOOL[1].1, SCHOOL[1].2)), (String::new(), report(8, TANKER[1]))];
    grouped(&mut client.retrieval, &mut client.ingestion, &changed).await;
    for article in &all[..3] {
        assert_eq!(story_of(client, article).await, divided);
    }
    let request = GetStoryRequest { name: tanker };
    assert_eq!(client.retrieval.get_story(request).await.unwrap().into_inner().story.unwrap().name, divided);
    others.into_iter().for_each(|other| drop(other.stop()));
}
