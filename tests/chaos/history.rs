//! History of writes as known to their writers, and the versions that reads may return.
//!
//! Each article has one writer, which sends its next change only once the outcome of the last is known. An article's
//! history is therefore a sequence of versions, and every revision's content is known before it is sent. A version has
//! two times: `sent`, before which no read may return it, and `answered`, after which a read must return it within its
//! promised consistency.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use copydesk::article::{ChangeToken, Digest};
use copydesk::proto::ChangeKind;

/// Longer than any read takes. A version replaced earlier cannot be read any more without an error.
const KEPT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not created yet.
    Absent,
    Live,
    Withdrawn,
    Deleted,
    Merged,
    Purged,
}

/// One change of an article. Changes replaced long ago are kept in this compact form.
#[derive(Clone, Copy)]
pub struct Change {
    pub kind: ChangeKind,
    pub edition: u32,
}

#[derive(Clone)]
struct Version {
    revision: i64,
    state: State,
    edition: u32,
    sent: Instant,
    answered: Option<Instant>,
    /// Position in the feed, if the response with it arrived.
    position: Option<u64>,
}

#[derive(Default)]
struct Line {
    recent: VecDeque<Version>,
    changes: Vec<Change>,
    /// Article into which this one is merged.
    heir: Option<usize>,
}

/// Consistency promised to a read.
#[derive(Clone, Copy)]
pub struct Promise {
    pub start: Instant,
    /// Maximum age of the result relative to `start`.
    pub bound: Duration,
    /// Position in the feed that the result must include.
    pub position: Option<u64>,
}

/// Result of a read of an article.
pub enum Seen<'a> {
    Article {
        revision: i64,
        headline: &'a str,
    },
    /// Not readable, with the state if the response has it.
    Hidden(Option<State>),
}

/// Change token of an answered write, and its position.
pub type Token = (String, u64);

pub struct History {
    lines: RwLock<Vec<Arc<Mutex<Line>>>>,
    newest: Mutex<Option<Token>>,
}

impl History {
    pub fn new(articles: usize) -> Self {
        let lines = (0..articles).map(|_| Arc::default()).collect();
        Self { lines: RwLock::new(lines), newest: Mutex::default() }
    }

    pub fn articles(&self) -> usize {
        self.lines.read().unwrap().len()
    }

    /// Adds an article that does not exist yet. Returns its number.
    pub fn add(&self) -> usize {
        let (revision, state, edition, sent) = (0, State::Absent, 0, Instant::now());
        let absent = Version { revision, state, edition, sent, answered: Some(sent), position: None };
        let line = Line { recent: [absent].into(), ..Line::default() };
        let mut lines = self.lines.write().unwrap();
        lines.push(Arc::new(Mutex::new(line)));
        lines.len() - 1
    }

    fn line(&self, article: usize) -> Arc<Mutex<Line>> {
        Arc::clone(&self.lines.read().unwrap()[article])
    }

    /// Records the article into which this one will be merged, before the change is sent.
    pub fn leads_to(&self, article: usize, heir: usize) {
        self.line(article).lock().unwrap().heir = Some(heir);
    }

    /// Returns true if a merged article leads to another one, directly or by further merges.
    pub fn is_heir(&self, article: usize, other: usize) -> bool {
        let next = |article: &usize| self.line(*article).lock().unwrap().heir;
        std::iter::successors(next(&article), next).any(|heir| heir == other)
    }

    /// Records a change before it is sent. Returns its future revision.
    pub fn begin(&self, article: usize, kind: ChangeKind, edition: u32) -> i64 {
        let line = self.line(article);
        let mut line = line.lock().unwrap();
        while line.recent.get(1).and_then(|next| next.answered).is_some_and(|at| at.elapsed() > KEPT) {
            line.recent.pop_front();
        }
        let state = match kind {
            ChangeKind::Withdrawn => State::Withdrawn,
            ChangeKind::Deleted => State::Deleted,
            ChangeKind::Merged => State::Merged,
            ChangeKind::Purged => State::Purged,
            _ => State::Live,
        };
        line.changes.push(Change { kind, edition });
        let revision = line.changes.len() as i64;
        line.recent.push_back(Version {
            revision,
            state,
            edition,
            sent: Instant::now(),
            answered: None,
            position: None,
        });
        revision
    }

    /// Records that the change is done. It may be called again, once the token is known.
    pub fn answered(&self, article: usize, token: Option<&str>) {
        let position = token.map(position);
        if let (Some(token), Some(position)) = (token, position) {
            let mut newest = self.newest.lock().unwrap();
            if newest.as_ref().is_none_or(|(_, at)| *at < position) {
                *newest = Some((token.to_owned(), position));
            }
        }
        let line = self.line(article);
        let mut line = line.lock().unwrap();
        let last = line.recent.back_mut().expect("a change was begun");
        last.answered.get_or_insert_with(Instant::now);
        last.position = position;
    }

    /// Returns the newest write that any replica has answered.
    pub fn token(&self) -> Option<Token> {
        self.newest.lock().unwrap().clone()
    }

    /// Checks that a read that ended now may have this result.
    pub fn check(&self, article: usize, seen: &Seen<'_>, promise: Promise) -> Result<(), String> {
        let now = Instant::now();
        let line = self.line(article);
        let line = line.lock().unwrap();
        let due = |version: &Version| {
            let in_time = version.answered.is_some_and(|at| at + promise.bound < promise.start);
            in_time || promise.position.is_some_and(|at| version.position.is_some_and(|position| position <= at))
        };
        let floor = line.recent.iter().rposition(due).unwrap_or(0);
        let mut allowed = line.recent.iter().skip(floor).filter(|version| version.sent <= now);
        let is_allowed = match *seen {
            Seen::Article { revision, headline: found } => allowed.any(|version| {
                version.state == State::Live
                    && version.revision == revision
                    && found == headline(article, version.edition)
            }),
            Seen::Hidden(state) => {
                allowed.any(|version| version.state != State::Live && state.is_none_or(|state| state == version.state))
            }
        };
        if is_allowed {
            return Ok(());
        }
        let ages = |version: &Version| {
            let ago = |at: Instant| promise.start.checked_duration_since(at).map_or(-1, |ago| ago.as_millis() as i64);
            let answered = version.answered.map_or("not answered".into(), |at| format!("answered {} ms", ago(at)));
            let (revision, state) = (version.revision, version.state);
            format!("revision {revision} {state:?} edition {}, {answered} before the read", version.edition)
        };
        let versions: Vec<String> = line.recent.iter().skip(floor).take(3).map(ages).collect();
        Err(format!("{}: {seen}; allowed from: {}", name(article), versions.join("; ")))
    }

    /// Checks that the feed may contain this change now.
    pub fn check_change(&self, article: usize, revision: i64, kind: i32, found: Option<&str>) -> Result<(), String> {
        let line = self.line(article);
        let line = line.lock().unwrap();
        let change = usize::try_from(revision - 1).ok().and_then(|at| line.changes.get(at));
        match change {
            Some(change) if change.kind as i32 != kind => {
                Err(format!("{}@{revision} is in the feed as {kind}, and was {:?}", name(article), change.kind))
            }
            Some(change) if found.is_some_and(|found| found != headline(article, change.edition)) => {
                Err(format!("{}@{revision} is in the feed as {found:?}", name(article)))
            }
            Some(_) => Ok(()),
            None => Err(format!("{}@{revision} is in the feed, and was never written", name(article))),
        }
    }

    /// Returns the current state, for the writer and for the final check.
    pub fn standing(&self, article: usize) -> (i64, State, u32) {
        let line = self.line(article);
        let line = line.lock().unwrap();
        let last = line.recent.back().expect("every article has a first version");
        (last.revision, last.state, last.edition)
    }

    /// Returns every change, the first revision first.
    pub fn changes(&self, article: usize) -> Vec<Change> {
        self.line(article).lock().unwrap().changes.clone()
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Article { revision, headline } => write!(f, "revision {revision} {headline:?} was read"),
            Self::Hidden(Some(state)) => write!(f, "{state:?} was read"),
            Self::Hidden(None) => write!(f, "not found was read"),
        }
    }
}

pub fn id(article: usize) -> String {
    format!("chaos-{article}")
}

pub fn name(article: usize) -> String {
    format!("articles/chaos-{article}")
}

pub fn number(name: &str) -> Option<usize> {
    name.strip_prefix("articles/chaos-")?.parse().ok()
}

pub fn headline(article: usize, edition: u32) -> String {
    format!("Ferry {article} returns, edition {edition}")
}

pub fn body(article: usize) -> String {
    let paragraph =
        "Its captain said that the crossing had been calm, and that the harbour was glad to see the boat again.";
    format!("The ferry numbered {article} came back to the harbour on Tuesday.\n\n{paragraph}")
}

pub fn digest(article: usize, edition: u32) -> String {
    Digest::of(&headline(article, edition), &body(article)).to_string()
}

/// Returns a token's position; the feed numbers changes from 1, without gaps.
pub fn position(token: &str) -> u64 {
    ChangeToken::decode(token).expect("a token issued by the server").position.sequence
}
