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
    connection: &Connection,
    key: &str,
    proposed: (String, FeedCursor),
) -> Result<(String, FeedCursor), RedisError> {
    let (generation, cursor) = proposed;
    let answers = connection.run(&[call(ScriptCall::Open, key, &generation, cursor)]).await?;
    let mark = answers.first().and_then(text);
    let parsed = mark
        .as_deref()
        .and_then(|mark| mark.split_once(':'))
        .and_then(|(generation, text)| Some((generation.to_owned(), parse_cursor(text)?)));
    parsed.ok_or_else(|| RedisError::Refused("server did not store the generation".into()))
}

/// Records the position up to which a generation has been invalidated.
pub(in crate::cache::redis) fn record(key: &str, generation: &str, cursor: FeedCursor) -> Call {
    call(ScriptCall::Mark, key, generation, cursor)
}

/// Ends a generation.
pub(in crate::cache::redis) fn close(key: &str, generation: &str) -> Call {
    Call { script: ScriptCall::Close, key: key.to_owned(), args: vec![generation.as_bytes().to_vec()] }
}

fn call(script: ScriptCall, key: &str, generation: &str, cursor: FeedCursor) -> Call {
    let args = vec![generation.as_bytes().to_vec(), format_cursor(cursor).into_bytes(), millis(GENERATION)];
    Call { script, key: key.to_owned(), args }
}

/// Formats a feed position so that later positions sort after earlier ones.
fn format_cursor(cursor: FeedCursor) -> String {
    format!("{}:{:016}", digits(cursor.position), cursor.time.map_or(0, Timestamp::as_microsecond))
}

fn parse_cursor(text: &str) -> Option<FeedCursor> {
    let (at, time) = text.split_once(':')?;
    let time = time.parse().ok().filter(|micros| *micros != 0).map(Timestamp::from_microsecond);
    Some(FeedCursor { position: position(at)?, time: time.transpose().ok()? })
}
