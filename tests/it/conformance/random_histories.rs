//! Random histories: after any writes, every read equals the model.

use std::pin::Pin;
use std::sync::Arc;

use copydesk::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, Digest, EditorFields, Filter, Key, Position, SourceVersion,
    StatedKey, Trust,
};
use copydesk::proto::{Article, Author, Media, MediaKind};
use copydesk::store::{
    Authority, Consistency, Ingest, IngestSource, LateCopies, ListQuery, Merge, Missing, OrderField, Precondition,
    RequestKey, Shard, SnapshotQuery, Store, Transition, Update, Write,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::engines::Engine;
use super::filters::every_condition;
use super::fixtures::{at, clean, id, list, page, proto_at, turn};
use super::indexes::Index;
use super::model::Model;
use super::search_model::{self, Walk};

const ARTICLES: usize = 5;
const BOUNDED: Consistency = Consistency::Bounded;

/// Content of an article: few variants, so that they repeat.
#[derive(Clone, Copy, Debug)]
struct Text {
    variant: u8,
    /// From the epoch; held back until, and gone from.
    embargo: Option<i64>,
    expire: Option<i64>,
}

/// Statements of a document about its article and its version.
#[derive(Clone, Debug)]
struct Provenance {
    is_named: bool,
    /// Numbers of its keys, at least one.
    keys: Vec<(u8, Trust)>,
    stated: Option<i64>,
    number: i64,
    late_copies: LateCopies,
}

#[derive(Clone, Copy, Debug)]
enum Demand {
    Nothing,
    /// The etag of the newest revision but so many.
    Etag(i64),
    Revision(i64),
}

#[derive(Clone, Debug)]
enum Act {
    Ingest(usize, Text, Option<u8>, Authority, Provenance),
    /// With the fields that its mask names, as bits.
    Update(usize, Text, Demand, i64, Authority),
    /// A withdrawal is one with copies if the last is true.
    Transition(usize, ChangeKind, Demand, bool),
    /// Of these articles into the first.
    Merge(usize, Vec<usize>, Demand),
    /// By a key; withdraws one that does not exist, if the last is true.
    ByKey(u8, ChangeKind, bool),
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Act>),
    /// Advances the clock by a number of seconds, or sets it back a little.
    Pass(i64),
    Turn,
}

fn text() -> impl Strategy<Value = Text> {
    let time = || prop_oneof![4 => Just(None), 1 => (0..60_i64).prop_map(Some)];
    (0..6_u8, time(), time()).prop_map(|(variant, embargo, expire)| {
        let expire = expire.filter(|expire| embargo.is_none_or(|embargo| embargo < *expire));
        Text { variant, embargo, expire }
    })
}

fn act() -> impl Strategy<Value = Act> {
    use ChangeKind::{Deleted, Purged, Reinstated, Undeleted, Withdrawn};
    let demand = || {
        prop_oneof![
            3 => Just(Demand::Nothing),
            1 => (0..2_i64).prop_map(Demand::Etag),
            1 => (0..2_i64).prop_map(Demand::Revision),
        ]
    };
    let authority = || prop::sample::select(vec![Authority::Admin, Authority::Write]);
    let fields = prop::sample::select(vec![0, 0, 1, 2, 3]);
    let trust = prop::sample::select(vec![Trust::Certain, Trust::Certain, Trust::UnlessOtherId, Trust::IfSimilar]);
    let keys = prop::collection::vec((0..6_u8, trust), 1..4);
    let late_copies = prop::sample::select(vec![LateCopies::Reject, LateCopies::Hold]);
    let provenance = (any::<bool>(), keys, prop::option::of(0..6_i64), 0..2_i64, late_copies).prop_map(
        |(is_named, mut keys, stated, number, late_copies)| {
            // As ingestion does: no key twice.
            let mut seen = std::collections::BTreeSet::new();
            keys.retain(|(key, _)| seen.insert(*key));
            Provenance { is_named, keys, stated, number, late_copies }
        },
    );
    let kind = prop::sample::select(vec![Withdrawn, Reinstated, Reinstated, Deleted, Undeleted, Undeleted, Purged]);
    let by_key = prop::sample::select(vec![Withdrawn, Withdrawn, Reinstated, Deleted]);
    prop_oneof![
        4 => (0..ARTICLES, text(), prop::option::weighted(0.3, 0..4_u8), authority(), provenance)
            .prop_map(|(a, t, r, by, p)| Act::Ingest(a, t, r, by, p)),
        3 => (0..ARTICLES, text(), demand(), fields, authority()).prop_map(|(a, t, d, f, by)| {
            Act::Update(a, t, d, f, by)
        }),
        3 => (0..ARTICLES, kind, demand(), any::<bool>()).prop_map(|(a, k, d, c)| Act::Transition(a, k, d, c)),
        1 => (0..ARTICLES, prop::collection::btree_set(0..ARTICLES, 1..3), demand()).prop_map(|(to, from, d)| {
            Act::Merge(to, from.into_iter().filter(|source| *source != to).collect(), d)
        }),
        1 => (0..6_u8, by_key, any::<bool>()).prop_map(|(key, k, missing)| Act::ByKey(key, k, missing)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(act(), 1..5).prop_map(Step::Write),
        2 => (-2..12_i64).prop_map(Step::Pass),
        1 => Just(Step::Turn),
    ]
}

fn name(article: usize) -> ArticleId {
    id(&format!("a-{article}"))
}

fn article(number: usize, Text { variant, embargo, expire }: Text) -> Article {
    // The variants from 4 on are the same text for every article.
    let headline = if variant < 4 { format!("Ferry {number} report {variant}") } else { format!("Wire {variant}") };
    let host = if variant == 2 { "mirror.example" } else { "herald.example" };
    let kinds = &[MediaKind::Image, MediaKind::Video][..usize::from(variant % 3)];
    let url = format!("https://{host}/picture");
    let media = kinds.iter().map(|kind| Media { kind: (*kind).into(), url: url.clone(), ..Media::default() });
    Article {
        headline,
        media: media.collect(),
        body: if variant < 4 { body(number) } else { "The crossing was calm.".into() },
        url: format!("https://{host}/{}", if variant == 0 { 0 } else { number % 2 + 1 }),
        external_id: if variant.is_multiple_of(2) { format!("N-{}", number % 3) } else { String::new() },
        language_code: if variant == 1 { "pt-BR".into() } else { "en".into() },
        section: if variant.is_multiple_of(3) { "harbour" } else { "" }.to_owned(),
        agency: if variant.is_multiple_of(2) { "Reuters" } else { "AP" }.to_owned(),
        tags: ["sea", "port", "land"][..usize::from(variant % 4)].iter().map(|tag| (*tag).to_owned()).collect(),
        authors: vec![Author::named(format!("Writer {}", number % 2))],
        annotations: if variant == 2 { [("desk".into(), format!("{number}"))].into() } else { Default::default() },
        publish_time: if variant == 3 { None } else { proto_at(i64::from(variant) * 3 - 5) },
        embargo_time: embargo.and_then(proto_at),
        expire_time: expire.and_then(proto_at),
        ..Article::default()
    }
}

/// Returns a text that is no version of those of other articles.
fn body(number: usize) -> String {
    let words: Vec<String> = (0..12).map(|word| format!("w{number}x{word}")).collect();
    format!("The crossing was calm. {}", words.join(" "))
}

fn key(number: u8) -> Key {
    Key::external("herald.example", &format!("K-{number}"))
}

fn to_write(act: &Act, model: &Model, time: Timestamp) -> Write {
    let demanded = |number: usize, demand: Demand| {
        let newest = model.revisions(&name(number)).len() as i64;
        match demand {
            Demand::Nothing => Precondition::None,
            Demand::Revision(back) => Precondition::Revision(newest - back),
            Demand::Etag(back) => {
                let etag = model.etags.get(&(name(number), newest - back));
                Precondition::Etag(etag.cloned().unwrap_or_else(|| "none".into()))
            }
        }
    };
    match *act {
        Act::Ingest(number, text, request, authority, ref provenance) => {
            let article = clean(article(number, text));
            let digest = Digest::of_bytes(&[article.content(), &[number as u8]].concat());
            let request = request.map(|request| RequestKey { id: format!("r-{request}"), item: 0, digest });
            let from = IngestSource::Publisher(authority);
            let keys = provenance.keys.iter().map(|(number, trust)| StatedKey { key: key(*number), trust: *trust });
            let keys: Vec<StatedKey> = keys.collect();
            let is_named = provenance.is_named;
            let id = if is_named { name(number) } else { ArticleId::of_key(&keys[0].key) };
            let arrived = SourceVersion::arrived(time);
            let version = SourceVersion { stated: provenance.stated.map(at), number: provenance.number, ..arrived };
            Write::Ingest(Box::new(Ingest {
                id,
                is_named,
                keys,
                article,
                version,
                request,
                from,
                late_copies: provenance.late_copies,
                original: None,
                note: String::new(),
                time,
            }))
        }
        Act::Update(number, text, demand, fields, authority) => {
            let (article, reason) = (clean(article(number, text)), format!("variant {}", text.variant));
            let precondition = demanded(number, demand);
            let (id, editor_fields) = (name(number), EditorFields::from_bits(fields));
            Write::Update(Box::new(Update {
                id,
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
        Act::Transition(number, kind, demand, with_copies) => {
            let precondition = demanded(number, demand);
            let (id, reason) = (name(number), "r".into());
            Write::Transition(Transition {
                id,
                key: None,
                missing: None,
                kind,
                with_copies,
                precondition,
                reason,
                request: None,
                time,
            })
        }
        Act::Merge(number, ref sources, demand) => Write::Merge(Box::new(Merge {
            id: name(number),
            sources: sources.iter().map(|source| name(*source)).collect(),
            precondition: demanded(number, demand),
            reason: "one story".into(),
            request: None,
            is_copy: false,
            time,
        })),
        Act::ByKey(number, kind, allow_missing) => {
            let key = key(number);
            let article = CleanArticle::without_text(Article { source: "herald.example".into(), ..Article::default() });
            let missing =
                Missing { article: article.unwrap(), keys: vec![ArticleKey { key, is_certain: true }], digest: None };
            Write::Transition(Transition {
                id: ArticleId::of_key(&key),
                key: Some(key),
                missing: (allow_missing && kind == ChangeKind::Withdrawn).then(|| Box::new(missing)),
                kind,
                with_copies: false,
                precondition: Precondition::None,
                reason: "killed by its key".into(),
                request: None,
                time,
            })
        }
    }
}

/// Writes, and compares each answer.
async fn perform(store: &Arc<dyn Store>, model: &mut Model, acts: &[Act], time: Timestamp) {
    let writes: Vec<Write> = acts.iter().map(|act| to_write(act, model, time)).collect();
    let rehearsed = store.dry_run(writes[0].clone()).await;
    let answers = store.write(writes.clone()).await;
    assert_eq!(answers.len(), writes.len());
    let first = answers[0].as_ref().map(|written| (written.outcome, written.record.revision, written.record.content()));
    let rehearsed =
        rehearsed.as_ref().map(|written| (written.outcome, written.record.revision, written.record.content()));
    assert_eq!(rehearsed, first);
    for (write, answer) in writes.iter().zip(answers) {
        match (model.apply(write), answer) {
            (Ok((outcome, state)), Ok(written)) => {
                assert_eq!(written.outcome, outcome, "{write:?}");
                state.check(&written.record);
                for merged in &written.merged {
                    model.revisions(&merged.id).last().expect("it exists").check(merged);
                    model.etags.insert((merged.id.clone(), merged.revision), merged.etag());
                }
                model.etags.insert((state.id, state.revision), written.record.etag());
            }
            (expected, answer) => assert_eq!(answer.err(), expected.err(), "{write:?}"),
        }
    }
}

async fn compare(store: &Arc<dyn Store>, model: &Model, now: Timestamp, limit: usize, choice: usize) {
    let head = store.head().await.unwrap();
    assert_eq!(head, Position::of(model.feed.len() as u64));
    compare_articles(store, model, head, limit).await;
    compare_feed(store, model, limit).await;
    compare_snapshot(store, model, choice as u64 % (head.sequence + 1), limit).await;
    for (number, filter) in every_condition(model).into_iter().enumerate() {
        let checked = Filter::parse(Some(&filter)).unwrap();
        for field in [OrderField::PublishTime, OrderField::CreateTime, OrderField::UpdateTime] {
            let descending = choice.is_multiple_of(2);
            let examine = 1 + (choice + number) % 7;
            let query = ListQuery { examine, ..page(filter.clone(), field, descending, limit, now) };
            let listed = list(store, query).await;
            let expected = model.list(&checked, field, descending, now);
            let ids = |states: &[&super::model::State]| states.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
            let listed_ids: Vec<_> = listed.iter().map(|record| record.id.clone()).collect();
            assert_eq!(listed_ids, ids(&expected), "{filter:?} {field:?} descending: {descending}");
            expected.iter().zip(&listed).for_each(|(state, record)| state.check(record));
        }
    }
}

async fn compare_articles(store: &Arc<dyn Store>, model: &Model, head: Position, limit: usize) {
    let ids: Vec<ArticleId> = (0..=ARTICLES).map(name).collect();
    for consistency in [Consistency::Full, Consistency::AtLeast(head)] {
        let fetched = store.get(&ids, consistency).await.unwrap();
        for (id, fetched) in ids.iter().zip(&fetched) {
            match (model.revisions(id).last(), &fetched.record) {
                (Some(state), Some(record)) => state.check(record),
                (state, record) => assert!(state.is_none() && record.is_none(), "{id:?}"),
            }
        }
    }
    for id in &ids {
        let expected = model.revisions(id);
        for state in expected {
            state.check(&store.get_revision(id, state.revision, BOUNDED).await.unwrap().unwrap());
        }
        assert!(store.get_revision(id, expected.len() as i64 + 1, BOUNDED).await.unwrap().is_none());
        let (mut before, mut left) = (None, expected);
        loop {
            let page = store.revisions(id, before, limit, BOUNDED).await.unwrap();
            assert_eq!(page.len(), limit.min(left.len()));
            for revision in &page {
                let (newest, older) = left.split_last().unwrap();
                newest.check(&revision.record);
                let entry = &model.feed[newest.sequence as usize - 1];
                assert_eq!((revision.kind, &revision.reason), (entry.kind, &entry.reason));
                assert_eq!(revision.before.as_ref().map(|b| b.revision), older.last().map(|o| o.revision));
                left = older;
            }
            let Some(last) = page.last() else { break };
            before = Some(last.record.revision);
        }
    }
    let looked_up: Vec<_> = (0..7).map(key).collect();
    let holders: Vec<_> = looked_up.iter().map(|key| model.lookup(key)).collect();
    assert_eq!(store.lookup(&looked_up, BOUNDED).await.unwrap(), holders);
    let ids: Vec<ArticleId> = model.newest().map(|state| state.id.clone()).chain([id("none")]).collect();
    let keys: Vec<_> = ids.iter().map(|id| model.keys_of(id)).collect();
    assert_eq!(store.keys_of(&ids, BOUNDED).await.unwrap(), keys);
}

async fn compare_feed(store: &Arc<dyn Store>, model: &Model, limit: usize) {
    let mut after = Position::START;
    let mut expected = model.feed.iter();
    loop {
        let changes = store.changes(after, limit).await.unwrap();
        let touched = store.changed_ids(after.into(), limit).await.unwrap().articles;
        assert_eq!(touched.len(), changes.len());
        for (change, (position, id)) in changes.iter().zip(touched) {
            let entry = expected.next().unwrap();
            let state = model.state(entry);
            state.check(&change.record);
            assert_eq!((change.position, change.position.sequence), (position, state.sequence));
            assert_eq!(change.record.id, id);
            assert_eq!((change.kind, change.announced), (entry.kind, entry.announced), "{id:?}@{}", state.revision);
            assert_eq!(change.now, model.revisions(&id).last().unwrap().standing());
            let before = (entry.brought_text && entry.revision > 1).then_some(entry.revision - 1);
            assert_eq!(change.before.as_ref().map(|before| before.revision), before);
        }
        match changes.last() {
            Some(last) if changes.len() == limit => after = last.position,
            _ => break,
        }
    }
    assert!(expected.next().is_none());
}

async fn compare_snapshot(store: &Arc<dyn Store>, model: &Model, sequence: u64, limit: usize) {
    let expected = model.snapshot(sequence);
    for count in [1, 3] {
        let mut got = Vec::new();
        for index in 0..count {
            let mut query = SnapshotQuery::of_all(Position::of(sequence), None, limit);
            query.shard = Shard { index, count };
            loop {
                let page = store.snapshot(&query).await.unwrap();
                query.after = page.last().map(|(record, _)| record.id.clone());
                let ended = page.len() < limit;
                got.extend(page);
                if ended {
                    break;
                }
            }
        }
        // The shards are disjoint, and together all.
        got.sort_by_key(|(record, _)| expected.iter().position(|(state, _)| state.id == record.id));
        assert_eq!(got.len(), expected.len());
        for ((record, standing), (state, now)) in got.iter().zip(&expected) {
            state.check(record);
            assert_eq!(standing, now);
        }
    }
}

async fn run(store: Arc<dyn Store>, steps: Vec<Step>, limit: usize, choice: usize) {
    let mut model = Model::default();
    let mut now = at(0);
    let index = Index::of(&store).await;
    // Searches whose pages are read during the rest of the history.
    let begin = choice % steps.len();
    let mut walks: Vec<Walk> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Pass(seconds) => now += jiff::SignedDuration::from_secs(*seconds),
            Step::Turn => assert_eq!(turn(&store, now).await, model.turn(now)),
            Step::Write(acts) => perform(&store, &mut model, acts, now).await,
        }
        if number == begin {
            index.catch_up().await;
            walks = Walk::all(&model, now);
        }
        for walk in &mut walks {
            walk.read_page(&index).await;
        }
    }
    index.catch_up().await;
    for walk in walks {
        walk.finish(&index, &model).await;
    }
    compare(&store, &model, now, limit, choice).await;
    search_model::compare(&index, &model, now, limit, choice).await;
    // The end of every embargo and of every article. The index needs no change for it.
    search_model::compare(&index, &model, at(100), limit, choice + 1).await;
    assert_eq!(turn(&store, at(100)).await, model.turn(at(100)));
    compare(&store, &model, at(100), limit, choice + 1).await;
    search_model::compare(&index, &model, at(100), limit, choice + 2).await;
}

/// Checks an engine.
pub fn check(open: impl Fn() -> Pin<Box<dyn Future<Output = Engine>>>) {
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let histories = (prop::collection::vec(step(), 1..30), 1..7_usize, 0..1_000_usize);
    let checked = TestRunner::new(config).run(&histories, |(steps, limit, choice)| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        runtime.block_on(async {
            let engine = open().await;
            run(Arc::clone(&engine.store), steps, limit, choice).await;
        });
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}
