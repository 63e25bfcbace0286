//! Mark in Redis: the current generation of entries, and the feed position up to which it has been invalidated.

use std::time::Duration;

use jiff::Timestamp;

use super::connection::{Call, Connection, RedisError, ScriptCall, millis, text};
use super::entry::{digits, position};
use crate::store::FeedCursor;

/// Lifetime of a generation after its last use by a replica.
const GENERATION: Duration = Duration::from_secs(24 * 3_600);

/// Returns the existing generation and its position, or begins the proposed one.
pub(in crate::cache::redis) async fn open(
    wire: &Connection,
    key: &str,
    proposed: (String, FeedCursor),
) -> Result<(String, FeedCursor), RedisError> {
    let (generation, place) = proposed;
    let answers = wire.run(&[call(ScriptCall::Open, key, &generation, place)]).await?;
    let mark = answers.first().and_then(text);
    let parsed = mark
        .as_deref()
        .and_then(|mark| mark.split_once(':'))
        .and_then(|(generation, text)| Some((generation.to_owned(), parse_place(text)?)));
    parsed.ok_or_else(|| RedisError::Refused("server did not store the generation".into()))
}

/// Records the position up to which a generation has been invalidated.
pub(in crate::cache::redis) fn record(key: &str, generation: &str, place: FeedCursor) -> Call {
    call(ScriptCall::Mark, key, generation, place)
}

/// Ends a generation.
pub(in crate::cache::redis) fn close(key: &str, generation: &str) -> Call {
    Call { step: ScriptCall::Close, key: key.to_owned(), args: vec![generation.as_bytes().to_vec()] }
}

fn call(step: ScriptCall, key: &str, generation: &str, place: FeedCursor) -> Call {
    let args = vec![generation.as_bytes().to_vec(), format_place(place).into_bytes(), millis(GENERATION)];
    Call { step, key: key.to_owned(), args }
}

/// Formats a feed position so that later positions sort after earlier ones.
fn format_place(place: FeedCursor) -> String {
    format!("{}:{:016}", digits(place.position), place.time.map_or(0, Timestamp::as_microsecond))
}

fn parse_place(text: &str) -> Option<FeedCursor> {
    let (at, time) = text.split_once(':')?;
    let time = time.parse().ok().filter(|micros| *micros != 0).map(Timestamp::from_microsecond);
    Some(FeedCursor { position: position(at)?, time: time.transpose().ok()? })
}
