//! Occurrences of a form of a word in one field of a segment.

use tantivy::index::SegmentReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, TERMINATED, Term};

use crate::article::{Form, occurrences};

/// Documents in which a form occurs, in order.
pub(super) enum FormPostings {
    /// A single term.
    Term(Box<SegmentPostings>),
    /// Several terms at their offsets.
    Phrase(Box<Phrase>),
}

/// Terms that must occur one after the other.
pub(super) struct Phrase {
    terms: Vec<SegmentPostings>,
    /// Offset and positions in the current document of each term.
    positions: Vec<(u32, Vec<u32>)>,
    slop: u32,
    doc: DocId,
    count: u32,
}

impl FormPostings {
    /// Opens the occurrences of a form; none if a term does not occur in the segment.
    pub(super) fn open(
        reader: &SegmentReader,
        field: Field,
        form: &Form,
        slop: u32,
        option: IndexRecordOption,
    ) -> tantivy::Result<Option<Self>> {
        let inverted = reader.inverted_index(field)?;
        let term = |text: &str| Term::from_field_text(field, text);
        if let [(_, only)] = form.terms.as_slice() {
            return Ok(inverted.read_postings(&term(only), option)?.map(|postings| Self::Term(Box::new(postings))));
        }
        let mut terms = Vec::with_capacity(form.terms.len());
        for (_, text) in &form.terms {
            let Some(postings) = inverted.read_postings(&term(text), IndexRecordOption::WithFreqsAndPositions)? else {
                return Ok(None);
            };
            terms.push(postings);
        }
        let positions = form.terms.iter().map(|(offset, _)| (*offset, Vec::new())).collect();
        let mut phrase = Phrase { terms, positions, slop, doc: 0, count: 0 };
        phrase.find(0);
        Ok(Some(Self::Phrase(Box::new(phrase))))
    }

    pub(super) fn doc(&self) -> DocId {
        match self {
            Self::Term(postings) => postings.doc(),
            Self::Phrase(phrase) => phrase.doc,
        }
    }

    pub(super) fn advance(&mut self) -> DocId {
        match self {
            Self::Term(postings) => postings.advance(),
            Self::Phrase(phrase) if phrase.doc == TERMINATED => TERMINATED,
            Self::Phrase(phrase) => phrase.find(phrase.doc + 1),
        }
    }

    pub(super) fn seek(&mut self, target: DocId) -> DocId {
        match self {
            Self::Term(postings) => postings.seek(target),
            Self::Phrase(phrase) if phrase.doc >= target => phrase.doc,
            Self::Phrase(phrase) => phrase.find(target),
        }
    }

    /// Returns the number of occurrences in the current document.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Term(postings) => postings.term_freq(),
            Self::Phrase(phrase) => phrase.count,
        }
    }

    /// Returns an upper bound of the number of documents.
    pub(super) fn max_docs(&self) -> u32 {
        match self {
            Self::Term(postings) => postings.doc_freq(),
            Self::Phrase(phrase) => phrase.terms.iter().map(SegmentPostings::doc_freq).min().unwrap_or(0),
        }
    }
}

impl Phrase {
    /// Moves to the first document from `target` on in which the terms occur at their offsets.
    fn find(&mut self, target: DocId) -> DocId {
        let mut target = target;
        self.doc = loop {
            let Some(aligned) = self.align(target) else { break TERMINATED };
            for (postings, (_, positions)) in self.terms.iter_mut().zip(&mut self.positions) {
                postings.positions(positions);
            }
            self.count = occurrences(&self.positions, self.slop);
            if self.count > 0 {
                break aligned;
            }
            target = aligned + 1;
        };
        self.doc
    }

    /// Moves all terms to the first document from `target` on that has each of them.
    fn align(&mut self, target: DocId) -> Option<DocId> {
        let mut target = target;
        loop {
            let mut is_aligned = true;
            for postings in &mut self.terms {
                let doc = if postings.doc() < target { postings.seek(target) } else { postings.doc() };
                if doc == TERMINATED {
                    return None;
                }
                if doc > target {
                    target = doc;
                    is_aligned = false;
                }
            }
            if is_aligned {
                return Some(target);
            }
        }
    }
}
