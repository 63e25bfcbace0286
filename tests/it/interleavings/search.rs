//! Check of a history: a serial order of its operations that the model allows (linearizability), and rules that need no
//! such search.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::Instant;

use copydesk::proto::ArticleState;

use super::history::{Doc, History, Key, Op, STORIES};
use super::model::{End, Model, Response, compare};

/// An operation with its response, and the times between which it took effect.
#[derive(Clone, Debug)]
pub struct Done {
    pub op: Op,
    pub replica: usize,
    pub response: Response,
    pub sent: Instant,
    pub answered: Instant,
}

/// Checks the responses and the end of a history. An error describes the violation.
pub fn check(history: &History, ops: &[Done], end: &End) -> Result<(), String> {
    let mut search = Search { ops, end, visited: HashSet::new(), longest: 0 };
    if !search.continues(&Model::default(), (1 << ops.len()) - 1) {
        let (longest, all) = (search.longest, ops.len());
        return Err(format!("no serial order of the operations explains the end; at best {longest} of {all}"));
    }
    kills_hold(ops, end)?;
    if history.is_confluent { is_newest(ops, end) } else { Ok(()) }
}

struct Search<'a> {
    ops: &'a [Done],
    end: &'a End,
    /// Remaining operations, as bits, and the state before them.
    visited: HashSet<(u32, Model)>,
    longest: usize,
}

impl Search<'_> {
    /// Returns true if there is an order of the remaining operations that leads to the end.
    fn continues(&mut self, model: &Model, remaining: u32) -> bool {
        self.longest = self.longest.max(self.ops.len() - remaining.count_ones() as usize);
        if remaining == 0 {
            return model.end() == *self.end;
        }
        if !self.visited.insert((remaining, model.clone())) {
            return false;
        }
        let waiting: Vec<usize> = (0..self.ops.len()).filter(|at| remaining & (1 << at) != 0).collect();
        // One that was sent after another was answered took effect after it.
        let first_answer = waiting.iter().map(|at| self.ops[*at].answered).min();
        for at in waiting {
            let done = &self.ops[at];
            if first_answer.is_some_and(|answered| answered < done.sent) {
                continue;
            }
            if let Some(next) = model.after(&done.op, &done.response)
                && self.continues(&next, remaining & !(1 << at))
            {
                return true;
            }
        }
        false
    }
}

/// Checks that an article that was withdrawn, and never reinstated, is withdrawn.
fn kills_hold(ops: &[Done], end: &End) -> Result<(), String> {
    let edited = |is_kill: bool| {
        ops.iter().filter_map(move |done| match (&done.op, &done.response) {
            (Op::Kill(..), Response::Edited(found)) if is_kill => Some(&found.name),
            (Op::Cancel(..), Response::Ingested(found, _)) if is_kill => Some(&found.name),
            (Op::Reinstate(..), Response::Edited(found)) if !is_kill => Some(&found.name),
            _ => None,
        })
    };
    for killed in edited(true).filter(|name| !edited(false).any(|other| other == *name)) {
        let mut found = end.keys.values().filter(|found| found.name == *killed);
        if found.any(|found| found.state != ArticleState::Withdrawn) || end.readable.contains(killed) {
            return Err(format!("{killed} was withdrawn, and is not any more"));
        }
    }
    Ok(())
}

/// Checks that each story is one article with all of its keys and the text of its newest document.
fn is_newest(ops: &[Done], end: &End) -> Result<(), String> {
    for story in 0..STORIES {
        let docs = ops.iter().filter_map(|done| match &done.op {
            Op::Ingest(doc) if doc.text.story == story => Some(doc),
            _ => None,
        });
        let docs: Vec<&Doc> = docs.collect();
        let newer = |one: &&&Doc, other: &&&Doc| match one.text == other.text {
            true => Ordering::Equal,
            false => compare(&one.version, &other.version),
        };
        let Some(newest) = docs.iter().max_by(newer) else { continue };
        let keys = docs.iter().flat_map(|doc| doc.keys()).filter(|key| *key != Key::Section);
        for key in keys {
            let found = end.keys.get(&key).ok_or_else(|| format!("{key:?} was lost"))?;
            if found.text != Some(newest.text) {
                return Err(format!("{key:?} leads to {:?} instead of {:?}", found.text, newest.text));
            }
        }
    }
    let stories = (0..STORIES)
        .filter(|story| ops.iter().any(|done| matches!(&done.op, Op::Ingest(doc) if doc.text.story == *story)));
    match stories.count() {
        stories if stories == end.readable.len() => Ok(()),
        stories => Err(format!("{stories} stories became {} articles", end.readable.len())),
    }
}
