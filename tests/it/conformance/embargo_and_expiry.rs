//! Embargo and expiry of articles that are ingested again, and the authority to change them.

use copydesk::article::{ChangeKind, EditorFields, Record};
use copydesk::proto::Article;
use copydesk::store::{Authority, IngestSource, Outcome, Precondition, WriteError};

use super::engines::Engine;
use super::fixtures::{
    ADMIN, at, feed, get, id, ingest, ingest_from, proto_at, titled, transition, turn, update, update_of, write,
};

const EMBARGO: EditorFields = EditorFields::EMBARGO_TIME;
const EXPIRE: EditorFields = EditorFields::EXPIRE_TIME;
/// Embargo and expiry, in seconds after the epoch.
type Pair = (Option<i64>, Option<i64>);

const WRITER: IngestSource = IngestSource::Publisher(Authority::Write);

/// An article with these times, in seconds after the epoch.
fn timed(headline: &str, embargo: impl Into<Option<i64>>, expire: impl Into<Option<i64>>) -> Article {
    let (embargo_time, expire_time) = (embargo.into().and_then(proto_at), expire.into().and_then(proto_at));
    Article { embargo_time, expire_time, ..titled(headline) }
}

/// Headline, embargo and expiry.
fn headline_and_times(record: &Record) -> (String, Option<i64>, Option<i64>) {
    let seconds = |time: Option<jiff::Timestamp>| time.map(|time| time.as_second() - at(0).as_second());
    // Parts and content say the same.
    let article = record.decode().unwrap();
    assert_eq!(article.embargo_time, record.embargo_time.map(copydesk::article::to_proto));
    assert_eq!(article.expire_time, record.expire_time.map(copydesk::article::to_proto));
    (article.headline, seconds(record.embargo_time), seconds(record.expire_time))
}

pub async fn unset_times_keep_the_current_ones(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", timed("Ferry", 50, 90), at(0))).await.unwrap();
    let again = write(&store, ingest("ferry", titled("Ferry"), at(1))).await.unwrap();
    assert_eq!((again.outcome, again.record.revision), (Outcome::Unchanged, 1));
    let other = write(&store, ingest("ferry", titled("Ferry late"), at(2))).await.unwrap();
    assert_eq!(other.outcome, Outcome::Revised);
    assert_eq!(headline_and_times(&other.record), ("Ferry late".into(), Some(50), Some(90)));
    // An explicit value replaces the current one, independently for both fields.
    let later = write(&store, ingest("ferry", timed("Ferry late", 60, None), at(3))).await.unwrap();
    assert_eq!(headline_and_times(&later.record), ("Ferry late".into(), Some(60), Some(90)));
    let longer = write(&store, ingest("ferry", timed("Ferry late", None, 99), at(4))).await.unwrap();
    assert_eq!(headline_and_times(&longer.record), ("Ferry late".into(), Some(60), Some(99)));
    assert_eq!(headline_and_times(&get(&store, "ferry").await.unwrap()), ("Ferry late".into(), Some(60), Some(99)));
    assert_eq!(feed(&store).await.len(), 4);
}

/// Its text has not changed, so the editors' changes are kept.
pub async fn a_repeated_document_with_other_times_keeps_a_correction(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", timed("Fery", 50, None), at(0))).await.unwrap();
    write(&store, update("ferry", timed("Ferry", 50, None), Precondition::None, at(1))).await.unwrap();
    let again = write(&store, ingest("ferry", titled("Fery"), at(2))).await.unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged);
    assert_eq!(headline_and_times(&again.record), ("Ferry".into(), Some(50), None));
    let later = write(&store, ingest("ferry", timed("Fery", 70, None), at(3))).await.unwrap();
    assert_eq!(later.outcome, Outcome::Revised);
    assert_eq!(headline_and_times(&later.record), ("Ferry".into(), Some(70), None));
    let again = write(&store, ingest("ferry", timed("Fery", 70, None), at(4))).await.unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged);
}

pub async fn fields_set_by_an_editor_are_changed_only_by_editors(Engine { store, .. }: Engine) {
    let edit = |fields, article, time| {
        write(&store, update_of(fields, Authority::Admin, "ferry", article, Precondition::None, at(time)))
    };
    let publish = |article, time| write(&store, ingest("ferry", article, at(time)));
    publish(timed("Ferry", 50, None), 0).await.unwrap();
    edit(EMBARGO, timed("Ferry", 60, None), 1).await.unwrap();
    // With another word, with another embargo, or without one.
    let ignored = publish(timed("Ferry 1", 50, None), 2).await.unwrap();
    assert_eq!(headline_and_times(&ignored.record), ("Ferry 1".into(), Some(60), None));
    let ignored = publish(titled("Ferry 2"), 3).await.unwrap();
    assert_eq!(headline_and_times(&ignored.record), ("Ferry 2".into(), Some(60), None));
    let ignored = publish(timed("Ferry 2", 55, None), 4).await.unwrap();
    assert_eq!((ignored.outcome, headline_and_times(&ignored.record).1), (Outcome::Unchanged, Some(60)));
    // The other field is still the publisher's.
    let expiring = publish(timed("Ferry 2", 55, 90), 5).await.unwrap();
    assert_eq!(headline_and_times(&expiring.record), ("Ferry 2".into(), Some(60), Some(90)));
    // An update with the current value also makes the field an editor's.
    let taken = edit(EXPIRE, timed("Ferry 2", 60, 90), 6).await.unwrap();
    assert_eq!(taken.outcome, Outcome::Unchanged);
    let ignored = publish(timed("Ferry 2", None, 95), 7).await.unwrap();
    assert_eq!((ignored.outcome, headline_and_times(&ignored.record).2), (Outcome::Unchanged, Some(90)));
    // A field cleared by an editor stays cleared; editors can change it again.
    edit(EMBARGO, timed("Ferry 2", None, 90), 8).await.unwrap();
    let ignored = publish(timed("Ferry 3", 60, None), 9).await.unwrap();
    assert_eq!(headline_and_times(&ignored.record), ("Ferry 3".into(), None, Some(90)));
    edit(EMBARGO, timed("Ferry 3", 70, 90), 10).await.unwrap();
    assert_eq!(headline_and_times(&get(&store, "ferry").await.unwrap()), ("Ferry 3".into(), Some(70), Some(90)));
    let newest = feed(&store).await.pop().unwrap().now;
    assert_eq!(newest.editor_fields, EMBARGO.with(EXPIRE));
}

/// Neither does a change of state.
pub async fn due_transitions_keep_the_owner_of_a_field(Engine { store, .. }: Engine) {
    for (name, fields) in [("editors", EMBARGO.with(EXPIRE)), ("publishers", EditorFields::NONE)] {
        write(&store, ingest(name, timed(name, 40, 60), at(0))).await.unwrap();
        let article = timed(name, 50, 60);
        write(&store, update_of(fields, Authority::Admin, name, article, Precondition::None, at(1))).await.unwrap();
    }
    assert_eq!(turn(&store, at(55)).await, 2);
    assert_eq!(turn(&store, at(65)).await, 2);
    for name in ["editors", "publishers"] {
        write(&store, transition(name, ChangeKind::Withdrawn, at(66))).await.unwrap();
        write(&store, transition(name, ChangeKind::Reinstated, at(67))).await.unwrap();
        write(&store, ingest(name, timed(name, None, 99), at(68))).await.unwrap();
    }
    assert_eq!(headline_and_times(&get(&store, "editors").await.unwrap()).2, Some(60));
    assert_eq!(headline_and_times(&get(&store, "publishers").await.unwrap()).2, Some(99));
}

/// Every way in which the times of an article can be changed, readable and not, with and without the authority.
pub async fn hiding_a_readable_article_requires_authority(Engine { store, .. }: Engine) {
    // Current times; new times; the field that hides a readable article at second 10.
    let cases: [(Pair, Pair, Option<&str>); 14] = [
        ((None, None), (None, None), None),
        ((None, None), (Some(5), None), None),
        ((None, None), (Some(10), None), None),
        ((None, None), (Some(11), None), Some("embargo_time")),
        ((None, None), (None, Some(5)), Some("expire_time")),
        ((None, None), (None, Some(99)), Some("expire_time")),
        ((None, None), (Some(11), Some(99)), Some("embargo_time")),
        ((None, Some(50)), (None, Some(49)), Some("expire_time")),
        ((None, Some(50)), (None, Some(51)), None),
        ((Some(5), Some(50)), (Some(4), Some(50)), None),
        ((Some(5), Some(50)), (Some(20), Some(50)), Some("embargo_time")),
        // These cannot be read as it is.
        ((Some(20), None), (Some(30), None), None),
        ((Some(20), None), (Some(20), Some(25)), None),
        ((None, Some(8)), (None, Some(7)), None),
    ];
    for (number, ((embargo, expire), (new_embargo, new_expire), hides)) in cases.into_iter().enumerate() {
        for way in ["ingest", "changed", "update"] {
            for authority in [Authority::Write, Authority::Admin] {
                let name = format!("{way}-{number}-{}", if authority == Authority::Admin { "admin" } else { "write" });
                // A new article may have any times.
                write(&store, ingest_from(WRITER, &name, timed(&name, embargo, expire), at(0))).await.unwrap();
                let headline = if way == "changed" { format!("{name} changed") } else { name.clone() };
                let article = timed(&headline, new_embargo, new_expire);
                let from = IngestSource::Publisher(authority);
                let change = match way {
                    "update" => update_of(EMBARGO.with(EXPIRE), authority, &name, article, Precondition::None, at(10)),
                    _ => ingest_from(from, &name, article, at(10)),
                };
                let before = store.head().await.unwrap();
                let rehearsed = store.dry_run(change.clone()).await;
                let answer = write(&store, change).await;
                match hides.filter(|_| authority == Authority::Write) {
                    Some(field) => {
                        let denied = WriteError::TakedownDenied { id: id(&name), field };
                        assert_eq!(rehearsed.err(), Some(denied.clone()), "{name}");
                        assert_eq!(answer.err(), Some(denied), "{name}");
                        assert_eq!(store.head().await.unwrap(), before, "{name}");
                        assert_eq!(headline_and_times(&get(&store, &name).await.unwrap()), (name, embargo, expire));
                    }
                    None => {
                        let record = answer.unwrap().record;
                        let stands = |new: Option<i64>, old| if way == "update" { new } else { new.or(old) };
                        let times = (stands(new_embargo, embargo), stands(new_expire, expire));
                        assert_eq!(headline_and_times(&record), (headline, times.0, times.1), "{name}");
                    }
                }
            }
        }
    }
}

/// One that is ignored hides nothing.
pub async fn an_ignored_time_requires_no_authority(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("Ferry"), at(0))).await.unwrap();
    let cleared = update_of(EMBARGO, Authority::Write, "ferry", titled("Ferry"), Precondition::None, at(1));
    assert_eq!(write(&store, cleared).await.unwrap().outcome, Outcome::Unchanged);
    let ignored = write(&store, ingest_from(WRITER, "ferry", timed("Ferry late", 99, None), at(2))).await.unwrap();
    assert_eq!(headline_and_times(&ignored.record), ("Ferry late".into(), None, None));
}

pub async fn rejects_times_that_contradict_the_current_ones(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", timed("Ferry", 50, 90), at(0))).await.unwrap();
    let embargo = write(&store, ingest_from(ADMIN, "ferry", timed("Ferry", 90, None), at(1))).await;
    let stands = |field, stands| WriteError::TimesContradict { id: id("ferry"), field, stands: at(stands) };
    assert_eq!(embargo.err(), Some(stands("embargo_time", 90)));
    let expiry = write(&store, ingest_from(ADMIN, "ferry", timed("Ferry", None, 50), at(2))).await;
    assert_eq!(expiry.err(), Some(stands("expire_time", 50)));
    assert_eq!(feed(&store).await.len(), 1);
    let both = write(&store, ingest_from(ADMIN, "ferry", timed("Ferry", 90, 95), at(3))).await.unwrap();
    assert_eq!(headline_and_times(&both.record), ("Ferry".into(), Some(90), Some(95)));
}
