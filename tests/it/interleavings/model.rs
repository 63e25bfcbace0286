//! Model of one source: the articles that its documents become, by the documented rules of identity and order, and
//! independent of the service. Each operation is checked against its response, which also names the article.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use copydesk::proto::{ArticleState, IngestOutcome};

use super::history::{Doc, Key, Op, Target, Text, Version};

/// Article as a response or a read has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    pub name: String,
    pub revision: i64,
    pub state: ArticleState,
    /// None for an article that was withdrawn before it arrived.
    pub text: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    Ingested(Found, IngestOutcome),
    /// State that an editor's call has left.
    Edited(Found),
    NotFound,
    /// The document was rejected: its article, or one with exactly its text, is withdrawn.
    Withdrawn,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Article {
    now: Found,
    /// The last document that was ingested, and not stale.
    last: Option<Doc>,
}

/// State of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model {
    articles: Vec<Article>,
    /// Index of the article that has a key.
    keys: BTreeMap<Key, usize>,
}

/// Everything of a source at the end: the article of each key, and the names of the readable ones.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    pub keys: BTreeMap<Key, Found>,
    pub readable: Vec<String>,
}

impl Model {
    /// Returns the state after an operation with this response, or none if the response is wrong.
    pub fn after(&self, op: &Op, response: &Response) -> Option<Self> {
        let mut next = self.clone();
        let is_possible = match op {
            Op::Ingest(doc) => next.ingest(doc, response),
            Op::Cancel(_, story) => next.cancel(*story, response),
            Op::Kill(target, allow_missing) => next.kill(target, *allow_missing, response),
            Op::Reinstate(target) => next.reinstate(target, response),
        };
        is_possible.then_some(next)
    }

    pub fn end(&self) -> End {
        let keys = self.keys.iter().map(|(key, at)| (*key, self.articles[*at].now.clone())).collect();
        let readable = self.articles.iter().map(|article| &article.now);
        let readable = readable.filter(|now| now.state == ArticleState::Active).map(|now| now.name.clone());
        let mut readable: Vec<String> = readable.collect();
        readable.sort();
        End { keys, readable }
    }

    fn ingest(&mut self, doc: &Doc, response: &Response) -> bool {
        let holders: Vec<usize> = doc.keys().iter().filter_map(|key| self.holder(*key, doc)).collect();
        let state = |at: &usize| self.articles[*at].now.state;
        if holders.iter().any(|at| state(at) == ArticleState::Withdrawn) {
            return *response == Response::Withdrawn;
        }
        let is_killed = self.has_text(doc.text, ArticleState::Withdrawn);
        let Response::Ingested(found, outcome) = response else {
            // Exactly the text of a withdrawn article, under other keys: the document must not be written.
            let writes = holders.is_empty() || holders.iter().any(|at| self.outcomes(*at, doc).contains(&WRITES));
            return *response == Response::Withdrawn && is_killed && writes;
        };
        let at = match holders.iter().find(|at| self.articles[**at].now.name == found.name) {
            Some(at) => *at,
            None if holders.is_empty() && !self.articles.iter().any(|other| other.now.name == found.name) => {
                let now = Found { name: found.name.clone(), revision: 0, state: ArticleState::Expected, text: None };
                self.articles.push(Article { now, last: None });
                self.articles.len() - 1
            }
            // An article that has none of its keys.
            None => return false,
        };
        let is_allowed = match *outcome {
            IngestOutcome::Created => self.is_new(at) && !self.has_text(doc.text, ArticleState::Active),
            IngestOutcome::Duplicate => self.is_new(at) && self.has_text(doc.text, ArticleState::Active),
            other => !self.is_new(at) && self.outcomes(at, doc).contains(&other),
        };
        let writes = matches!(outcome, IngestOutcome::Created | IngestOutcome::Duplicate | IngestOutcome::Revised);
        if !is_allowed || (writes && is_killed) {
            return false;
        }
        for key in doc.keys() {
            // Also those of a stale document.
            self.keys.entry(key).or_insert(at);
        }
        let article = &mut self.articles[at];
        if writes {
            article.now.revision += 1;
            (article.now.state, article.now.text) = (ArticleState::Active, Some(doc.text));
        }
        if *outcome != IngestOutcome::Stale {
            article.last = Some(*doc);
        }
        article.now == *found
    }

    /// Returns the article that has a key, if the document belongs to it. A claimed address that another story has too
    /// joins no stories.
    fn holder(&self, key: Key, doc: &Doc) -> Option<usize> {
        let at = *self.keys.get(&key)?;
        let is_other = self.articles[at].now.text.is_some_and(|text| text.story != doc.text.story);
        (key != Key::Section || !is_other).then_some(at)
    }

    /// Returns true if the article has no document yet.
    fn is_new(&self, at: usize) -> bool {
        self.articles[at].last.is_none()
    }

    fn has_text(&self, text: Text, state: ArticleState) -> bool {
        self.articles.iter().any(|article| article.now.text == Some(text) && article.now.state == state)
    }

    /// Returns the possible outcomes of a document for an existing article, by the order of their versions.
    fn outcomes(&self, at: usize, doc: &Doc) -> Vec<IngestOutcome> {
        use IngestOutcome::{Revised, Stale, Unchanged};
        let Some(last) = &self.articles[at].last else { return vec![WRITES] };
        if last == doc {
            return vec![Unchanged];
        }
        match (compare(&doc.version, &last.version), doc.text == last.text) {
            (Ordering::Less, _) => vec![Stale],
            (Ordering::Greater, false) => vec![Revised],
            // The same text with another address: a new revision, unless it is another spelling.
            (Ordering::Greater, true) => vec![Revised, Unchanged],
            // The content decides, by a digest that the model does not know. The text is the same.
            (Ordering::Equal, _) => vec![Revised, Unchanged, Stale],
        }
    }

    fn kill(&mut self, target: &Target, allow_missing: bool, response: &Response) -> bool {
        let (found, at) = match (response, self.target(target)) {
            (Response::NotFound, None) => return !allow_missing,
            (Response::Edited(found), at) => (found, at),
            _ => return false,
        };
        let at = match (at, target) {
            (Some(at), _) => at,
            (None, Target::Key(key, _)) if allow_missing => {
                // Withdrawn before it arrived.
                let is_known = self.articles.iter().any(|other| other.now.name == found.name);
                let now = Found { name: found.name.clone(), revision: 0, state: ArticleState::Expected, text: None };
                self.articles.push(Article { now, last: None });
                self.keys.insert(*key, self.articles.len() - 1);
                if is_known {
                    return false;
                }
                self.articles.len() - 1
            }
            _ => return false,
        };
        self.change(at, ArticleState::Withdrawn, found)
    }

    /// A canceled wire item is the withdrawal by its ID, also in advance. The response shows neither text nor
    /// state.
    fn cancel(&mut self, story: usize, response: &Response) -> bool {
        let Response::Ingested(found, IngestOutcome::Withdrawn) = response else { return false };
        let target = Target::Key(Key::External(story), 0);
        let text = self.target(&target).and_then(|at| self.articles[at].now.text);
        let shown = Found { text, state: ArticleState::Withdrawn, ..found.clone() };
        found.text.is_none()
            && found.state == ArticleState::Unspecified
            && self.kill(&target, true, &Response::Edited(shown))
    }

    fn reinstate(&mut self, target: &Target, response: &Response) -> bool {
        let (Some(at), Response::Edited(found)) = (self.target(target), response) else { return false };
        let article = &self.articles[at];
        let state = if article.now.text.is_some() { ArticleState::Active } else { ArticleState::Expected };
        self.change(at, state, found)
    }

    fn target(&self, target: &Target) -> Option<usize> {
        match target {
            Target::Key(key, _) => self.keys.get(key).copied(),
            Target::Name(name) => self.articles.iter().position(|article| article.now.name == *name),
            Target::Known(_) => None,
        }
    }

    /// Changes the state of an article; a repeated change is no new revision.
    fn change(&mut self, at: usize, state: ArticleState, found: &Found) -> bool {
        let now = &mut self.articles[at].now;
        if now.state != state || now.revision == 0 {
            now.revision += 1;
            now.state = state;
        }
        now == found
    }
}

const WRITES: IngestOutcome = IngestOutcome::Revised;

/// Orders the versions of a document that comes now and of the last one: by the time of the last change, else of the
/// fetch, else of arrival, which is later than all that are stated; then by number; then by time of fetch. Of two that
/// arrived without a time, and have one number, the one that comes now is newer.
pub fn compare(now: &Version, last: &Version) -> Ordering {
    let time = |version: &Version| version.updated.or(version.fetched).unwrap_or(i64::MAX);
    let order = |version: &Version| (time(version), version.number, version.fetched);
    let is_arrival = time(now) == i64::MAX && time(last) == i64::MAX;
    order(now).cmp(&order(last)).then(if is_arrival { Ordering::Greater } else { Ordering::Equal })
}
