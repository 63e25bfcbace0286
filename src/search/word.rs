//! A word or phrase of a query as a query of tantivy: the documents in which it occurs, with their scores.
//!
//! The score is BM25F: the occurrences in all fields are weighted and added before they saturate. It is rounded to a
//! multiple of 1/4096, so that sums of scores are exact in any order: replicas with other segments add them in another.

use std::sync::Arc;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentReader;
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, TERMINATED};

use super::postings::FormPostings;
use crate::article::{FieldSet, Form, TextField};

/// Saturation of occurrences: BM25's k1.
const SATURATION: f32 = 1.2;
/// Share of a field's score that is independent of the exact form: the rest is for occurrences in any form.
const EXACT_SHARE: f32 = 0.4;
/// Steps of a score.
const STEP: f32 = 4_096.0;

/// Weight of a field, and the influence of its length: BM25F's w and b.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldWeight {
    pub(super) weight: f32,
    pub(super) length: f32,
}

/// Returns the weight of a field.
pub(super) fn field_weight(field: TextField) -> FieldWeight {
    let (weight, length) = match field {
        TextField::Headline => (6.0, 0.4),
        TextField::Subheadline => (2.0, 0.4),
        TextField::Body => (1.0, 0.75),
        TextField::Authors | TextField::Names | TextField::Source => (2.0, 0.3),
    };
    FieldWeight { weight, length }
}

/// Statistics of a word and of the fields that it is searched in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WordStatistics {
    /// Inverse document frequency.
    pub(super) rarity: f32,
    /// Mean length of each field.
    pub(super) mean_lengths: [f32; TextField::ALL.len()],
}

impl WordStatistics {
    /// Returns the statistics of a word that occurs in some of all documents.
    pub(super) fn new(documents: u64, all: u64, mean_lengths: [f32; TextField::ALL.len()]) -> Self {
        let (documents, all) = (documents as f64, (all.max(documents)) as f64);
        let rarity = (1.0 + (all - documents + 0.5) / (documents + 0.5)).ln();
        Self { rarity: rarity as f32, mean_lengths }
    }
}

/// Query of a word or phrase.
#[derive(Clone, Debug)]
pub(super) struct WordQuery {
    pub(super) forms: Arc<[Form]>,
    pub(super) slop: u32,
    pub(super) fields: FieldSet,
    pub(super) texts: [Field; TextField::ALL.len()],
    pub(super) statistics: WordStatistics,
}

impl Query for WordQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(WordWeight { query: self.clone(), is_scored: scoring.is_scoring_enabled() }))
    }
}

struct WordWeight {
    query: WordQuery,
    is_scored: bool,
}

impl Weight for WordWeight {
    fn scorer(&self, reader: &SegmentReader, _boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let query = &self.query;
        let option = if self.is_scored { IndexRecordOption::WithFreqs } else { IndexRecordOption::Basic };
        let mut fields = Vec::new();
        for field in query.fields.iter() {
            let text = query.texts[field.index()];
            let mut forms = Vec::new();
            for form in query.forms.iter() {
                if let Some(postings) = FormPostings::open(reader, text, form, query.slop, option)? {
                    forms.push(Occurrences { doc: postings.doc(), is_exact: form.is_exact, postings });
                }
            }
            forms.retain(|found| found.doc != TERMINATED);
            if !forms.is_empty() {
                let factors = match self.is_scored {
                    true => {
                        Some(LengthFactors::new(reader, text, field, query.statistics.mean_lengths[field.index()])?)
                    }
                    false => None,
                };
                let mut occurrences = FieldOccurrences { doc: 0, forms, factors };
                occurrences.find_first();
                fields.push(occurrences);
            }
        }
        if fields.is_empty() {
            return Ok(Box::new(EmptyScorer));
        }
        let mut scorer = WordScorer { fields, rarity: query.statistics.rarity, doc: 0 };
        scorer.doc = scorer.first();
        Ok(Box::new(scorer))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(tantivy::TantivyError::InvalidArgument(format!("document {doc} does not match")));
        }
        Ok(Explanation::new("BM25F", scorer.score()))
    }
}

/// Weight of an occurrence in a field, normalized by its length, for each length that an index tells apart.
struct LengthFactors {
    lengths: FieldNormReader,
    factors: Box<[f32; 256]>,
}

impl LengthFactors {
    fn new(reader: &SegmentReader, text: Field, field: TextField, mean: f32) -> tantivy::Result<Self> {
        let FieldWeight { weight, length } = field_weight(field);
        let per_length = if mean > 0.0 { length / mean } else { 0.0 };
        let mut factors = Box::new([0.0; 256]);
        for (id, factor) in (0_u8..=255).zip(factors.iter_mut()) {
            *factor = weight / (1.0 - length + per_length * FieldNormReader::id_to_fieldnorm(id) as f32);
        }
        Ok(Self { lengths: reader.get_fieldnorms_reader(text)?, factors })
    }

    fn of(&self, doc: DocId) -> f32 {
        self.factors[usize::from(self.lengths.fieldnorm_id(doc))]
    }
}

/// Occurrences of a form in a field.
struct Occurrences {
    doc: DocId,
    is_exact: bool,
    postings: FormPostings,
}

/// Occurrences of all forms in a field.
struct FieldOccurrences {
    /// First document of all forms.
    doc: DocId,
    forms: Vec<Occurrences>,
    /// Absent if no scores are needed.
    factors: Option<LengthFactors>,
}

impl FieldOccurrences {
    fn find_first(&mut self) {
        self.doc = self.forms.iter().map(|found| found.doc).min().unwrap_or(TERMINATED);
    }

    /// Moves past the current document.
    fn advance(&mut self) {
        for found in &mut self.forms {
            if found.doc == self.doc {
                found.doc = found.postings.advance();
            }
        }
        self.find_first();
    }

    fn seek(&mut self, target: DocId) {
        for found in &mut self.forms {
            if found.doc < target {
                found.doc = found.postings.seek(target);
            }
        }
        self.find_first();
    }

    /// Returns the weighted number of occurrences in the current document.
    fn weighted(&self) -> f32 {
        let (mut exact, mut any) = (0, 0);
        for found in self.forms.iter().filter(|found| found.doc == self.doc) {
            let count = found.postings.count();
            exact = if found.is_exact { count } else { exact };
            any = any.max(count);
        }
        let count = EXACT_SHARE * exact as f32 + (1.0 - EXACT_SHARE) * any as f32;
        self.factors.as_ref().map_or(0.0, |factors| count * factors.of(self.doc))
    }
}

struct WordScorer {
    fields: Vec<FieldOccurrences>,
    rarity: f32,
    doc: DocId,
}

impl WordScorer {
    fn first(&self) -> DocId {
        self.fields.iter().map(|found| found.doc).min().unwrap_or(TERMINATED)
    }
}

impl DocSet for WordScorer {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED {
            return TERMINATED;
        }
        for found in &mut self.fields {
            if found.doc == self.doc {
                found.advance();
            }
        }
        self.doc = self.first();
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        for found in &mut self.fields {
            if found.doc < target {
                found.seek(target);
            }
        }
        self.doc = self.first();
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        let forms = self.fields.iter().flat_map(|found| &found.forms);
        forms.map(|found| found.postings.max_docs()).max().unwrap_or(0)
    }
}

impl Scorer for WordScorer {
    fn score(&mut self) -> Score {
        let fields = self.fields.iter().filter(|found| found.doc == self.doc);
        let weighted: f32 = fields.map(FieldOccurrences::weighted).sum();
        let score = self.rarity * weighted * (SATURATION + 1.0) / (SATURATION + weighted);
        // Rounded: scores are not negative.
        (score * STEP + 0.5) as u32 as f32 / STEP
    }
}

/// Query of the words that begin with a prefix. All documents have the same score.
#[derive(Clone, Debug)]
pub(super) struct PrefixQuery {
    pub(super) prefix: String,
    pub(super) fields: FieldSet,
    pub(super) texts: [Field; TextField::ALL.len()],
}

impl Query for PrefixQuery {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(PrefixWeight(self.clone())))
    }
}

struct PrefixWeight(PrefixQuery);

impl Weight for PrefixWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut found = tantivy::BitSet::with_max_value(reader.max_doc());
        for field in self.0.fields.iter() {
            let inverted = reader.inverted_index(self.0.texts[field.index()])?;
            let prefix = self.0.prefix.as_bytes();
            let mut terms = inverted.terms().range().ge(prefix).into_stream()?;
            while let Some((term, info)) = terms.next() {
                if !term.starts_with(prefix) {
                    break;
                }
                let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
                while postings.doc() != TERMINATED {
                    found.insert(postings.doc());
                    postings.advance();
                }
            }
        }
        let found = tantivy::query::BitSetDocSet::from(found);
        Ok(Box::new(tantivy::query::ConstScorer::new(found, boost)))
    }

    fn explain(&self, _reader: &SegmentReader, _doc: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("words with a prefix", 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_weigh_more() {
        let rarity = |documents, all| WordStatistics::new(documents, all, Default::default()).rarity;
        assert!(rarity(1, 1_000) > rarity(100, 1_000) && rarity(1_000, 1_000) > 0.0);
        assert!(rarity(0, 0).is_finite() && rarity(5, 3) > 0.0);
    }
}
