//! Watches of stories: a client that applies every change knows the story of each readable article.

use std::collections::BTreeMap;
use std::time::Duration;

use copydesk::article::WatchToken;
use copydesk::proto::watch_stories_request::Start;
use copydesk::proto::watch_stories_response::Event;
use copydesk::proto::*;
use copydesk_client::Client;
use tokio::sync::watch;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::bad_input::fields;
use crate::grouped_stories::{Desk, SCHOOL, TANKER, both, judged, report};
use crate::support::database::Cluster;
use crate::support::process::{Serve, run};
use crate::support::random::Random;
use crate::test_server::{TestServer, ready};

/// Maximum time until a change is received.
const LATE: Duration = Duration::from_secs(60);
/// Number of consecutive reports that come in a random order: few of them are older than the window.
const DISORDER: usize = 10;
/// Embargo that does not end during a test.
const FAR: i64 = 86_400;

type Events = Streaming<WatchStoriesResponse>;

async fn open(client: &Client, start: Option<Start>) -> Result<Events, Status> {
    Ok(client.retrieval.clone().watch_stories(WatchStoriesRequest { start }).await?.into_inner())
}

/// Returns the token of the checkpoint at the start of a watch from now on.
async fn present(client: &Client) -> String {
    let mut events = open(client, None).await.unwrap();
    match events.message().await.unwrap().unwrap().event {
        Some(Event::Checkpoint(checkpoint)) => checkpoint.watch_token,
        other => panic!("{other:?}"),
    }
}

/// A client that keeps the story of each article.
#[derive(Default)]
struct Mirror {
    /// By the name of the article; empty if it is not readable.
    stories: BTreeMap<String, String>,
    /// Tokens received, in order.
    tokens: Vec<String>,
    /// Number of changes from one story to another.
    moves: usize,
}

impl Mirror {
    /// Resumes after a token, or starts at the beginning.
    async fn resume(&self, client: &Client, token: Option<&String>) -> Events {
        let start = token.map_or(Start::Beginning(true), |token| Start::WatchToken(token.clone()));
        open(client, Some(start)).await.unwrap()
    }

    /// Applies the next message. Returns false for a checkpoint.
    async fn next(&mut self, events: &mut Events) -> bool {
        let message = tokio::time::timeout(LATE, events.message()).await.expect("a message").unwrap().unwrap();
        match message.event.unwrap() {
            Event::Checkpoint(checkpoint) => {
                self.tokens.push(checkpoint.watch_token);
                false
            }
            Event::Change(change) => {
                assert!(change.article.starts_with("articles/"), "{change:?}");
                self.tokens.push(change.watch_token);
                let had = self.stories.insert(change.article, change.story.clone()).unwrap_or_default();
                self.moves += usize::from(had != change.story && !had.is_empty() && !change.story.is_empty());
                true
            }
        }
    }

    /// Applies messages until the stories are as expected.
    async fn until(&mut self, events: &mut Events, expected: impl Fn(&BTreeMap<String, String>) -> bool) {
        let applied = async {
            while !expected(&self.stories) {
                self.next(events).await;
            }
        };
        let is_late = tokio::time::timeout(LATE, applied).await.is_err();
        assert!(!is_late, "{:?}", self.stories);
    }

    /// Returns the story of an article; empty if there is none.
    fn story(&self, article: &str) -> &str {
        self.stories.get(article).map_or("", String::as_str)
    }

    /// Waits until the stories of articles are those that GetStory returns, which may be stale by a second.
    async fn equals_reads(&self, client: &Client, articles: &[String]) {
        let mut different = Vec::new();
        for _ in 0..50 {
            different.clear();
            for article in articles {
                let request = GetStoryRequest { name: format!("{article}/story") };
                let story = match client.retrieval.clone().get_story(request).await {
                    Ok(answer) => answer.into_inner().story.unwrap().name,
                    Err(status) if status.code() == Code::NotFound => String::new(),
                    Err(status) => panic!("{status}"),
                };
                if story != self.story(article) {
                    different.push((article.clone(), story, self.story(article).to_owned()));
                }
            }
            if different.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{different:?}");
    }
}

async fn reinstate(desk: &Desk, name: &str) {
    let request = ReinstateArticleRequest { name: name.to_owned(), ..Default::default() };
    desk.server.editorial().await.reinstate_article(request).await.unwrap();
}

fn withdrawal(name: &str) -> WithdrawArticleRequest {
    WithdrawArticleRequest { name: name.to_owned(), ..Default::default() }
}

fn later(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + seconds, nanos: 0 })
}

#[tokio::test]
async fn a_client_sees_who_joins_and_who_is_hidden() {
    let (mut desk, _) = Desk::with([]).await;
    let client = Client::new(desk.server.channel().await);
    let mut mirror = Mirror::default();
    let mut events = open(&client, None).await.unwrap();
    assert!(!mirror.next(&mut events).await, "a checkpoint comes first");
    // Under embargo, it is in no story, and not named.
    let document =
        Document { embargo_time: later(FAR), ..ready(report(9, ("tidewire.example", "Halcyon aground", TANKER[1].2))) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    desk.writes.ingest_article(request).await.unwrap();
    let mut names = Vec::new();
    for article in both() {
        names.push(desk.add(article).await.name);
    }
    mirror.until(&mut events, |stories| stories.len() == 5).await;
    mirror.equals_reads(&client, &names).await;
    let all = mirror.stories.clone();
    assert_eq!(
        all.keys().collect::<Vec<_>>(),
        names.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    let tanker = mirror.story(&names[0]).to_owned();
    let of_tanker = || names.iter().filter(|name| all[*name] == tanker).count();
    assert_eq!((of_tanker(), all.values().collect::<std::collections::BTreeSet<_>>().len()), (3, 2));

    desk.withdraw(withdrawal(&names[0])).await;
    mirror.until(&mut events, |stories| stories[&names[0]].is_empty()).await;
    reinstate(&desk, &names[0]).await;
    mirror.until(&mut events, |stories| stories[&names[0]] == tanker).await;
    let request = PurgeArticleRequest { name: names[1].clone(), ..Default::default() };
    desk.server.editorial().await.purge_article(request).await.unwrap();
    mirror.until(&mut events, |stories| stories[&names[1]].is_empty()).await;
    assert_eq!(mirror.story(&names[2]), tanker, "the others stay");
    mirror.equals_reads(&client, &names).await;

    // From the beginning, the result is the same.
    let mut anew = Mirror::default();
    let mut from_beginning = anew.resume(&client, None).await;
    while anew.next(&mut from_beginning).await {}
    assert_eq!(anew.stories, mirror.stories);
    assert_eq!(anew.tokens.last(), Some(&present(&client).await));
    // After the last token, there is nothing but a checkpoint.
    let mut rest = anew.resume(&client, anew.tokens.last()).await;
    assert!(!anew.next(&mut rest).await);

    // The command.
    let address = desk.server.endpoint().uri().to_string();
    let command = move |flags: &[&str]| run(&[&["watch", "--addr", &address, "--stories"], flags].concat());
    let expected = anew.stories.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let (code, shown, errors) = command(&["--from-beginning", "--limit", "5"]);
        assert_eq!(code, 0, "{errors}");
        let shown: BTreeMap<String, String> = shown
            .lines()
            .map(|line| line.split_once("  ").unwrap())
            .map(|(article, story)| (article.to_owned(), story.replace("(not readable)", "")))
            .collect();
        assert_eq!(shown, expected);
        let (code, shown, _) = command(&["--from-beginning", "--limit", "1", "--json"]);
        assert_eq!((code, shown.contains("\"watchToken\"")), (0, true), "{shown}");
        assert_eq!(command(&["--kind", "withdrawn"]).0, 2, "no filter of articles");
        assert_eq!(command(&["--source", "herald.example"]).0, 2);
    });
    checked.await.unwrap();

    // The server stops.
    desk.server.stop().await;
    let ended = loop {
        match events.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a watch ends with an error"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
}

/// Grouping has forgotten them, and does not compare them with others.
#[tokio::test]
async fn articles_outside_of_the_window_are_hidden_and_shown_again() {
    let (mut desk, _) = Desk::with([]).await;
    let client = Client::new(desk.server.channel().await);
    let old = |number: usize| Article { publish_time: later(-20 * 86_400), ..report(number, TANKER[number]) };
    let names = [desk.add(old(0)).await.name, desk.add(old(1)).await.name, desk.add(report(2, SCHOOL[0])).await.name];
    let mut mirror = Mirror::default();
    let mut events = mirror.resume(&client, None).await;
    mirror.until(&mut events, |stories| stories.len() == 3).await;
    let story = mirror.story(&names[0]).to_owned();
    desk.withdraw(withdrawal(&names[0])).await;
    mirror.until(&mut events, |stories| stories[&names[0]].is_empty()).await;
    // A client that starts now does not know its story.
    let mut late = Mirror::default();
    let mut late_events = late.resume(&client, None).await;
    while late.next(&mut late_events).await {}
    assert_eq!(late.stories, mirror.stories);
    reinstate(&desk, &names[0]).await;
    for (mirror, events) in [(&mut mirror, &mut events), (&mut late, &mut late_events)] {
        mirror.until(events, |stories| stories[&names[0]] == story).await;
        mirror.equals_reads(&client, &names).await;
    }
    let request = PurgeArticleRequest { name: names[1].clone(), ..Default::default() };
    desk.server.editorial().await.purge_article(request).await.unwrap();
    mirror.until(&mut events, |stories| stories[&names[1]].is_empty()).await;
}

#[tokio::test]
async fn invalid_starts_name_the_field() {
    let (mut desk, _) = Desk::with([]).await;
    let client = Client::new(desk.server.channel().await);
    let (other, _) = Desk::with([]).await;
    let other = Client::new(other.server.channel().await);
    let change_token = desk.add(report(0, TANKER[0])).await.change_token;
    let token = Start::WatchToken;
    for (start, field) in [
        (token(String::new()), "watch_token"),
        (token("x".to_owned()), "watch_token"),
        (token(change_token), "watch_token"),
        (token(present(&other).await), "watch_token"),
        (Start::Beginning(false), "beginning"),
    ] {
        let refused = open(&client, Some(start.clone())).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]), "{start:?}");
    }
    // A token of a later state: the store has lost its last changes.
    let known = WatchToken::decode(&present(&client).await).unwrap();
    let lost = WatchToken { number: known.number + 1_000, ..known }.encode();
    let refused = open(&client, Some(token(lost))).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!((refused.code(), reason.as_str()), (Code::OutOfRange, "POSITION_UNKNOWN"));
    let off = Client::new(TestServer::start().await.channel().await);
    assert_eq!(open(&off, None).await.unwrap_err().code(), Code::Unimplemented);
}

/// Actions on an article that is shown, and those that undo them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    No,
    Withdrawn,
    Deleted,
    Embargoed,
    Purged,
}

/// Hides an article at random, or shows it again. Returns its change token.
async fn turn(client: &Client, name: &str, state: &mut Hidden, random: &mut Random) -> Option<String> {
    let mut edits = client.editorial.clone();
    let name = name.to_owned();
    let embargo = |embargo_time| UpdateArticleRequest {
        article: Some(Article { name: name.clone(), embargo_time, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["embargo_time".into()] }),
        ..Default::default()
    };
    let (next, changed) = match (*state, random.below(10)) {
        (Hidden::Purged, _) => return None,
        (Hidden::Withdrawn, _) => {
            let request = ReinstateArticleRequest { name, ..Default::default() };
            (Hidden::No, edits.reinstate_article(request).await.unwrap().into_inner().article)
        }
        (Hidden::Deleted, _) => {
            let request = UndeleteArticleRequest { name, ..Default::default() };
            (Hidden::No, edits.undelete_article(request).await.unwrap().into_inner().article)
        }
        (Hidden::Embargoed, _) => (Hidden::No, edits.update_article(embargo(None)).await.unwrap().into_inner().article),
        (Hidden::No, 0) => {
            let request = PurgeArticleRequest { name, ..Default::default() };
            (Hidden::Purged, edits.purge_article(request).await.unwrap().into_inner().article)
        }
        (Hidden::No, 1..=3) => {
            let request = DeleteArticleRequest { name, ..Default::default() };
            (Hidden::Deleted, edits.delete_article(request).await.unwrap().into_inner().article)
        }
        (Hidden::No, 4..=6) => {
            let request = embargo(later(FAR));
            (Hidden::Embargoed, edits.update_article(request).await.unwrap().into_inner().article)
        }
        (Hidden::No, _) => {
            (Hidden::Withdrawn, edits.withdraw_article(withdrawal(&name)).await.unwrap().into_inner().article)
        }
    };
    *state = next;
    Some(changed.unwrap().change_token)
}

/// Watches until a token is received: without interruption, or with cuts, each after a random number of messages, and
/// resumption on a random replica, sometimes after an earlier token.
async fn mirror(clients: Vec<Client>, cuts: Option<u64>, end: watch::Receiver<String>) -> Mirror {
    let mut mirror = Mirror::default();
    let mut random = Random::new(cuts.unwrap_or_default(), 1);
    loop {
        let back = if random.chance(20) { random.below(20) } else { 0 };
        let token = mirror.tokens.iter().rev().nth(back).cloned();
        let mut events = mirror.resume(&clients[random.below(clients.len())], token.as_ref()).await;
        let mut left = if cuts.is_some() { 1 + random.below(40) } else { usize::MAX };
        while left > 0 {
            mirror.next(&mut events).await;
            left -= 1;
            if mirror.tokens.last() == Some(&*end.borrow()) {
                return mirror;
            }
        }
    }
}

/// Ingests reports in a random order, hides and shows some of them, also of those outside of the window, and compares
/// what clients have seen with what they read.
async fn check(clients: &[Client], seed: u64) {
    let mut random = Random::new(seed, 0);
    let mut reports: Vec<Article> =
        judged().into_iter().filter(|(event, _)| event.starts_with("a-")).map(|(_, article)| article).collect();
    for part in reports.chunks_mut(DISORDER) {
        for at in (1..part.len()).rev() {
            part.swap(at, random.below(at + 1));
        }
    }
    let (end, ended) = watch::channel("not known yet".to_owned());
    let steady = tokio::spawn(mirror(clients[..1].to_vec(), None, ended.clone()));
    let cut = tokio::spawn(mirror(clients.to_vec(), Some(seed), ended));
    let (mut names, mut states, mut token) = (Vec::new(), Vec::new(), String::new());
    for article in reports {
        let client = &clients[random.below(clients.len())];
        let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
        let answer = client.ingestion.clone().ingest_article(request).await.unwrap().into_inner();
        let article = answer.into_first().unwrap().article.unwrap();
        token = article.change_token;
        names.push(article.name);
        states.push(Hidden::No);
        if random.chance(40) {
            let at = random.below(names.len());
            token = turn(client, &names[at], &mut states[at], &mut random).await.unwrap_or(token);
        }
    }
    let requirement = Some(consistency::Requirement::AtLeastAsFresh(token));
    let request = ListStoriesRequest { consistency: Some(Consistency { requirement }), ..Default::default() };
    for client in clients {
        while let Err(status) = client.retrieval.clone().list_stories(request.clone()).await {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
        }
    }
    end.send_replace(present(&clients[0]).await);
    for (name, task) in [("steady", steady), ("cut", cut)] {
        let mirror = tokio::time::timeout(LATE, task).await.expect("the end is reached").unwrap();
        mirror.equals_reads(&clients[0], &names).await;
        let shown = mirror.stories.values().filter(|story| !story.is_empty()).count();
        assert!(shown * 3 > names.len(), "{name}: {shown} of {}", names.len());
        assert!(mirror.moves > 0, "{name}: no article has changed its story, with {} tokens", mirror.tokens.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_ends_with_the_stories_that_are_read() {
    for seed in 0..2 {
        let server = TestServer::with(|options| options.stories = true).await;
        check(&[Client::new(server.channel().await)], seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_resume_on_another_replica() {
    let database = Cluster::shared().database().await;
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--store", &database.url, "--log-level", "error"];
    let servers = [Serve::on(dir.path(), &flags), Serve::on(dir.path(), &flags)];
    let clients = [servers[0].client().await, servers[1].client().await];
    check(&clients, 7).await;
    servers.into_iter().for_each(|server| drop(server.stop()));
}
