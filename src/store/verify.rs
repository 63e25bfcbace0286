//! Whether a store holds what was written: every text against its digest, the feed without gaps, each article as its last change
//! left it.

use std::collections::HashMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Change, Standing, Store, StoreError};
use crate::article::{ArticleId, ChangeKind, Digest, EditorFields, Lifecycle, Position, Record, Unreadable};

/// How many changes, or articles, are read at a time.
const BATCH: usize = 200;
/// How many problems are told one by one.
const TOLD: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Articles, in whatever state.
    pub articles: u64,
    /// How many of them can be read, are held back, were withdrawn, deleted, or have expired.
    pub states: [u64; 5],
    /// Changes that were read.
    pub changes: u64,
    /// From where the feed was read: later than the beginning where old changes have been forgotten.
    pub from: Position,
    /// How far.
    pub to: Position,
    /// Of all articles, whatever their state: equal in two stores that hold the same.
    pub digest: Total,
    /// Of those that can be read.
    pub readable: Total,
    /// What is wrong, in words; of many only the first.
    pub problems: Vec<String>,
    /// How much is wrong.
    pub count: u64,
}

/// A digest of many, in whatever order they come: of each the SHA-256 of its name, its state, the fields that belong to
/// editors and its content, all of them XORed. It tells copies that differ; it is no proof against who could choose the
/// texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total([u8; 32]);

impl Total {
    fn add(&mut self, record: &Record, editor_fields: EditorFields) {
        let mut hash = Sha256::new();
        hash.update(record.id.as_str().as_bytes());
        // Few enough fields and lifecycles for half a byte each.
        hash.update([0, record.lifecycle as u8 | editor_fields.bits() << 4]);
        hash.update(record.content());
        self.0.iter_mut().zip(hash.finalize()).for_each(|(sum, byte)| *sum ^= byte);
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// What the feed says of an article.
struct Told {
    revision: i64,
    digest: Digest,
    lifecycle: Lifecycle,
}

/// Reads all of it. Others may write meanwhile: what they change after the beginning is not looked at.
///
/// # Errors
/// When the store does not answer. What is wrong with what it answers is no error but a problem.
pub async fn verify(store: &dyn Store) -> Result<Verified, StoreError> {
    let mut found = Verified { to: store.head().await?, ..Verified::default() };
    found.from = beginning(store, found.to).await?;
    let mut told = HashMap::new();
    follow(store, &mut found, &mut told).await?;
    look(store, &mut found, told).await?;
    if store.indexed().await? > store.head().await? {
        found.problem("the search index is ahead of the feed".into());
    }
    Ok(found)
}

/// From where the feed can be read.
async fn beginning(store: &dyn Store, head: Position) -> Result<Position, StoreError> {
    let reaches = async |at: u64| match store.changes(Position::of(at), 1).await {
        Ok(_) => Ok(true),
        Err(StoreError::Trimmed) => Ok(false),
        Err(error) => Err(error),
    };
    let (mut trimmed, mut kept) = (0, 0);
    if !reaches(0).await? {
        kept = head.sequence;
        while kept - trimmed > 1 {
            let middle = trimmed + (kept - trimmed) / 2;
            if reaches(middle).await? { kept = middle } else { trimmed = middle }
        }
    }
    Ok(Position::of(kept))
}

async fn follow(
    store: &dyn Store,
    found: &mut Verified,
    told: &mut HashMap<ArticleId, Told>,
) -> Result<(), StoreError> {
    let (mut at, to) = (found.from, found.to);
    while at < to {
        let changes = store.changes(at, BATCH).await?;
        if changes.is_empty() {
            found.problem(format!("the feed ends at {} and says that it goes on to {}", at.sequence, to.sequence));
            return Ok(());
        }
        for change in changes.into_iter().filter(|change| change.position <= to) {
            found.changes += 1;
            if change.position.sequence != at.sequence + 1 {
                found.problem(format!("after change {} comes {}", at.sequence, change.position.sequence));
            }
            at = change.position;
            found.change(&change, told);
        }
    }
    Ok(())
}

/// The articles themselves, as of the same moment.
async fn look(store: &dyn Store, found: &mut Verified, mut told: HashMap<ArticleId, Told>) -> Result<(), StoreError> {
    let whole = found.from == Position::START;
    let mut after = None;
    loop {
        let page = store.snapshot(found.to, after.as_ref(), BATCH).await?;
        for (record, standing) in &page {
            found.article(record, *standing, told.remove(&record.id), whole);
        }
        match page.last() {
            Some((last, _)) if page.len() == BATCH => after = Some(last.id.clone()),
            _ => break,
        }
    }
    for id in told.keys() {
        found.problem(format!("{}: the feed tells of it, and it is not there", id.name()));
    }
    Ok(())
}

impl Verified {
    fn problem(&mut self, problem: String) {
        self.count += 1;
        if self.problems.len() < TOLD {
            self.problems.push(problem);
        }
    }

    fn change(&mut self, change: &Change, told: &mut HashMap<ArticleId, Told>) {
        let record = &change.record;
        let name = record.id.name();
        self.text(record);
        let before = told.get(&record.id).map(|told| told.revision);
        let next = before.map_or(1, |revision| revision + 1);
        // Of an article from before the feed begins, the first change may be any.
        if record.revision != next && (before.is_some() || self.from == Position::START) {
            self.problem(format!("{name}: revision {} comes where {next} should", record.revision));
        }
        let lifecycle = match change.kind {
            ChangeKind::Withdrawn => Lifecycle::Withdrawn,
            ChangeKind::Deleted => Lifecycle::Deleted,
            _ => Lifecycle::Live,
        };
        if record.lifecycle != lifecycle {
            self.problem(format!("{name}@{}: {:?}, and is {:?}", record.revision, change.kind, record.lifecycle));
        }
        let now = Told { revision: record.revision, digest: record.digest, lifecycle: record.lifecycle };
        told.insert(record.id.clone(), now);
    }

    fn article(&mut self, record: &Record, standing: Standing, told: Option<Told>, whole: bool) {
        self.articles += 1;
        self.text(record);
        let same = told.as_ref().map_or(!whole, |told| {
            (told.revision, told.digest, told.lifecycle) == (record.revision, record.digest, record.lifecycle)
        });
        if !same {
            let revision = told.map_or_else(|| "nothing".to_owned(), |told| format!("revision {}", told.revision));
            self.problem(format!(
                "{}: is at revision {}, the feed tells of {revision}",
                record.id.name(),
                record.revision
            ));
        }
        let state = match record.unreadable(Timestamp::now()) {
            None => 0,
            Some(Unreadable::Embargoed) => 1,
            Some(Unreadable::Withdrawn) => 2,
            Some(Unreadable::Deleted) => 3,
            Some(Unreadable::Expired) => 4,
        };
        self.states[state] += 1;
        self.digest.add(record, standing.editor_fields);
        if state == 0 && standing.readable(Timestamp::now()) {
            self.readable.add(record, standing.editor_fields);
        }
    }

    /// Its digest, computed again.
    fn text(&mut self, record: &Record) {
        let name = || format!("{}@{}", record.id.name(), record.revision);
        match record.decode() {
            Ok(article) if Digest::of(&article.headline, &article.body) == record.digest => {}
            Ok(_) => self.problem(format!("{}: its text is not what its digest says", name())),
            Err(error) => self.problem(format!("{}: cannot be decoded: {error}", name())),
        }
    }
}
