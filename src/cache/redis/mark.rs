//! Mark in Redis: the current generation of entries, and the feed position up to which it has been invalidated.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::{digits, position};
use super::session::millis;
use super::wire::{Call, Step, Trouble, Wire, text};
use crate::store::Place;

/// Lifetime of a generation after its last use by a replica.
const GENERATION: Duration = Duration::from_secs(24 * 3_600);

/// Returns the existing generation and its position, or begins the proposed one.
pub(super) async fn open(wire: &Wire, key: &str, proposed: (String, Place)) -> Result<(String, Place), Trouble> {
    let (generation, place) = proposed;
    let answers = wire.run(&[call(Step::Open, key, &generation, place)]).await?;
    let mark = answers.first().and_then(text);
    let parsed = mark
        .as_deref()
        .and_then(|mark| mark.split_once(':'))
        .and_then(|(generation, text)| Some((generation.to_owned(), parse_place(text)?)));
    parsed.ok_or_else(|| Trouble::Refused("server did not store the generation".into()))
}

/// Records the position up to which a generation has been invalidated.
pub(super) fn record(key: &str, generation: &str, place: Place) -> Call {
    call(Step::Mark, key, generation, place)
}

/// Ends a generation.
pub(super) fn close(key: &str, generation: &str) -> Call {
    Call { step: Step::Close, key: key.to_owned(), args: vec![generation.as_bytes().to_vec()] }
}

fn call(step: Step, key: &str, generation: &str, place: Place) -> Call {
    let args = vec![generation.as_bytes().to_vec(), format_place(place).into_bytes(), millis(GENERATION)];
    Call { step, key: key.to_owned(), args }
}

/// Formats a feed position so that later positions sort after earlier ones.
fn format_place(place: Place) -> String {
    format!("{}:{:016}", digits(place.position), place.time.map_or(0, Timestamp::as_microsecond))
}

fn parse_place(text: &str) -> Option<Place> {
    let (at, time) = text.split_once(':')?;
    let time = time.parse().ok().filter(|micros| *micros != 0).map(Timestamp::from_microsecond);
    Some(Place { position: position(at)?, time: time.transpose().ok()? })
}
