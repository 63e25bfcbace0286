//! The mark: which generation of entries there is, and how far it has been repaired, as it stands in Redis itself.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::{digits, position};
use super::session::millis;
use super::wire::{Call, Step, Trouble, Wire, text};
use crate::store::Place;

/// How long a generation outlives the last replica that used it.
const GENERATION: Duration = Duration::from_secs(24 * 3_600);

/// Finds the generation that is there, and how far it is repaired; or begins the one that is proposed.
pub(super) async fn open(wire: &Wire, key: &str, proposed: (String, Place)) -> Result<(String, Place), Trouble> {
    let (generation, repaired) = proposed;
    let answers = wire.run(&[call(Step::Open, key, &generation, repaired)]).await?;
    let mark = answers.first().and_then(text);
    let parsed = mark
        .as_deref()
        .and_then(|mark| mark.split_once(':'))
        .and_then(|(generation, at)| Some((generation.to_owned(), place(at)?)));
    parsed.ok_or_else(|| Trouble::Refused("it does not keep the generation".into()))
}

/// Records how far a generation has been repaired.
pub(super) fn record(key: &str, generation: &str, place: Place) -> Call {
    call(Step::Mark, key, generation, place)
}

/// Ends a generation.
pub(super) fn close(key: &str, generation: &str) -> Call {
    Call { step: Step::Close, key: key.to_owned(), args: vec![generation.as_bytes().to_vec()] }
}

fn call(step: Step, key: &str, generation: &str, place: Place) -> Call {
    let args = vec![generation.as_bytes().to_vec(), written(place).into_bytes(), millis(GENERATION)];
    Call { step, key: key.to_owned(), args }
}

/// A place as it stands in a mark: whichever is later in the feed is the greater text.
fn written(place: Place) -> String {
    format!("{}:{:016}", digits(place.position), place.time.map_or(0, Timestamp::as_microsecond))
}

fn place(written: &str) -> Option<Place> {
    let (at, time) = written.split_once(':')?;
    let time = time.parse().ok().filter(|micros| *micros != 0).map(Timestamp::from_microsecond);
    Some(Place { position: position(at)?, time: time.transpose().ok()? })
}
