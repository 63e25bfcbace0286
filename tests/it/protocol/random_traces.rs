//! Random traces through the model and through the real scripts on a real Redis: after each step both have the same
//! entry.

use std::sync::atomic::{AtomicU64, Ordering};

use copydesk::cache::redis::scripts::{FILL, GETLEASE, INVALIDATE, NOBODY, REFRESH};
use proptest::prelude::*;
use redis::{Commands, Connection, Script};

use super::{Entry, Variant};
use crate::support::redis_server::RedisServer;

#[derive(Clone, Debug)]
enum Step {
    Claim { token: u8, over: bool },
    Fill { token: u8, revision: u8 },
    Refresh { revision: u8 },
    Invalidate { revision: u8 },
    Evict,
}

fn step() -> impl Strategy<Value = Step> {
    let (token, revision) = (0..3_u8, 1..5_u8);
    prop_oneof![
        4 => (token.clone(), any::<bool>()).prop_map(|(token, over)| Step::Claim { token, over }),
        4 => (token, revision.clone()).prop_map(|(token, revision)| Step::Fill { token, revision }),
        2 => revision.clone().prop_map(|revision| Step::Refresh { revision }),
        3 => revision.prop_map(|revision| Step::Invalidate { revision }),
        1 => Just(Step::Evict),
    ]
}

fn token(number: u8) -> String {
    format!("{number:032}")
}

/// Returns the content of the key, in terms of the model.
fn held(redis: &mut Connection, key: &str) -> Entry {
    let Some(entry) = redis.get::<_, Option<String>>(key).unwrap() else { return Entry::Absent };
    let revision = entry[1..41].parse().unwrap();
    match &entry[..1] {
        "v" => Entry::Value { revision },
        "i" if &entry[41..73] == NOBODY => Entry::Invalidated { revision, token: None },
        "i" => Entry::Invalidated { revision, token: Some(entry[41..73].parse().unwrap()) },
        other => panic!("{other}"),
    }
}

/// Expires the entry's claim, as the script reads it.
fn run_out(redis: &mut Connection, key: &str) {
    let Some(entry) = redis.get::<_, Option<String>>(key).unwrap() else { return };
    if entry.starts_with('i') {
        redis.set::<_, _, ()>(key, format!("{}{}", &entry[..73], "0".repeat(16))).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn scripts_match_the_model(steps in prop::collection::vec(step(), 1..40)) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = format!("trace:{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let redis = &mut RedisServer::shared().connect().unwrap();
        let [claim, fill, refresh, invalidate] = [GETLEASE, FILL, REFRESH, INVALIDATE].map(Script::new);
        let mut entry = Entry::Absent;
        for step in steps {
            match step {
                Step::Claim { token: number, over } => {
                    if over {
                        run_out(redis, &key);
                    }
                    let ours = Variant::Right.claim(&mut entry, number, over);
                    let answer: String =
                        claim.key(&key).arg(token(number)).arg(60_000).arg(60_000).invoke(redis).unwrap();
                    prop_assert_eq!(answer == "l", ours, "{}", answer);
                }
                Step::Fill { token: number, revision } => {
                    let accepted = Variant::Right.fill(&mut entry, number, revision);
                    let value = format!("v{revision:040}the article");
                    let answer: u8 = fill.key(&key).arg(token(number)).arg(value).arg(60_000).invoke(redis).unwrap();
                    prop_assert_eq!(answer == 1, accepted);
                }
                Step::Refresh { revision } => {
                    let accepted = Variant::Right.refresh(&mut entry, revision);
                    let value = format!("v{revision:040}the article");
                    let answer: u8 = refresh.key(&key).arg(value).arg(60_000).invoke(redis).unwrap();
                    prop_assert_eq!(answer == 1, accepted);
                }
                Step::Invalidate { revision } => {
                    Variant::Right.invalidate(&mut entry, revision);
                    let _: u8 = invalidate.key(&key).arg(format!("{revision:040}")).arg(60_000).invoke(redis).unwrap();
                }
                Step::Evict => {
                    entry = Entry::Absent;
                    redis.del::<_, ()>(&key).unwrap();
                }
            }
            prop_assert_eq!(held(redis, &key), entry);
        }
    }
}
