//! Translation of a query and a filter to queries of tantivy, with the statistics of the query's words.

use std::sync::Arc;

use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query as IndexQuery, TermQuery, TermSetQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};

use super::schema::Fields;
use super::selection::{ArticleSet, Selection};
use super::view::{Readable, Segment, View};
use super::word::{PrefixQuery, WordQuery, WordStatistics};
use crate::article::{Filter, Form, Leaf, Node, Query, TextField, Words};

/// Cost of looking a document up in the documents of a word, relative to reading the next one.
const COST_OF_SEEK: u64 = 8;

/// Statistics that scores depend on, counted over the articles that are readable at a time. The pages of a search share
/// them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Number of articles.
    pub articles: u64,
    /// Total length of each text field.
    pub tokens: [u64; TextField::ALL.len()],
    /// Number of articles with each word of the query, in its order.
    pub words: Vec<u64>,
}

impl Statistics {
    /// Counts the statistics of a query.
    pub(super) fn count(view: &View, fields: &Fields, query: &Query, now: i64) -> tantivy::Result<Self> {
        let readable: Vec<(&Segment, Readable<'_>)> =
            view.segments.iter().map(|segment| (&**segment, segment.readable_at(now))).collect();
        let mut statistics = Self {
            articles: readable.iter().map(|(_, readable)| readable.count()).sum(),
            tokens: TextField::ALL.map(|field| readable.iter().map(|(_, readable)| readable.tokens(field)).sum()),
            words: Vec::new(),
        };
        for leaf in query.leaves() {
            statistics.words.push(articles_with(&readable, fields, leaf)?);
        }
        Ok(statistics)
    }

    fn mean_lengths(&self) -> [f32; TextField::ALL.len()] {
        self.tokens.map(|tokens| tokens as f32 / self.articles.max(1) as f32)
    }
}

/// Returns the number of readable articles with a word, by the field and form in which it occurs in most. Of several
/// terms, it is that of the rarest.
fn articles_with(readable: &[(&Segment, Readable<'_>)], fields: &Fields, leaf: &Leaf) -> tantivy::Result<u64> {
    let forms: &[Form] = match &leaf.words {
        Words::Forms(forms) => forms,
        Words::Phrase { form, .. } => std::slice::from_ref(form),
        Words::Prefix(_) => return Ok(0),
    };
    let mut most = 0;
    for field in leaf.fields.iter() {
        let text = fields.texts[field.index()];
        for form in forms {
            let mut rarest: Option<u64> = None;
            for (_, term) in &form.terms {
                let term = Term::from_field_text(text, term);
                let mut count = 0;
                for (segment, readable) in readable {
                    if form.language.is_none_or(|language| segment.has_language(language.index())) {
                        count += articles_with_term(segment, readable, &term, u64::MAX)?;
                    }
                }
                rarest = Some(rarest.map_or(count, |rarest| rarest.min(count)));
                if count == 0 {
                    break;
                }
            }
            most = most.max(rarest.unwrap_or(0));
        }
    }
    Ok(most)
}

/// Returns the number of readable articles of a segment with a term. If there may be more than `max`, it may count
/// replaced ones.
pub(super) fn articles_with_term(
    segment: &Segment,
    readable: &Readable<'_>,
    term: &Term,
    max: u64,
) -> tantivy::Result<u64> {
    let inverted = segment.reader.inverted_index(term.field())?;
    let Some(info) = inverted.get_term_info(term)? else { return Ok(0) };
    if readable.is_all() || u64::from(info.doc_freq) > max {
        return Ok(u64::from(info.doc_freq));
    }
    let mut postings = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
    if readable.max_unreadable() * COST_OF_SEEK < u64::from(info.doc_freq) {
        let mut count = u64::from(info.doc_freq);
        for doc in readable.unreadable() {
            let found = if postings.doc() < doc { postings.seek(doc) } else { postings.doc() };
            count -= u64::from(found == doc);
        }
        return Ok(count);
    }
    let mut count = 0;
    while postings.doc() != TERMINATED {
        count += u64::from(readable.has(postings.doc()));
        postings.advance();
    }
    Ok(count)
}

/// Returns the query of tantivy for a text query, with scores by these statistics.
pub(super) fn text_query(fields: &Fields, query: &Query, statistics: &Statistics) -> Box<dyn IndexQuery> {
    let mut words = statistics.words.iter().copied();
    let means = statistics.mean_lengths();
    compile(fields, query.root(), &mut |is_scored| {
        let documents = if is_scored { words.next().unwrap_or(0) } else { 0 };
        WordStatistics::new(documents, statistics.articles, means)
    })
}

/// Returns the query of a node. `next` returns the statistics of the leaves in the order of [`Query::leaves`].
fn compile(fields: &Fields, node: &Node, next: &mut dyn FnMut(bool) -> WordStatistics) -> Box<dyn IndexQuery> {
    match node {
        Node::Leaf(leaf) => leaf_query(fields, leaf, next(true)),
        Node::Any(nodes) => {
            let nodes = nodes.iter().map(|node| (Occur::Should, compile(fields, node, next)));
            Box::new(BooleanQuery::new(nodes.collect()))
        }
        Node::AtLeast(least, nodes) => {
            let nodes = nodes.iter().map(|node| (Occur::Should, compile(fields, node, next)));
            Box::new(BooleanQuery::with_minimum_required_clauses(nodes.collect(), *least))
        }
        Node::All(nodes) => {
            let nodes = nodes.iter().map(|node| match node {
                Node::Not(inner) => (Occur::MustNot, compile(fields, inner, &mut |_| WordStatistics::default())),
                node => (Occur::Must, compile(fields, node, next)),
            });
            Box::new(BooleanQuery::new(nodes.collect()))
        }
        // The parser leaves an exclusion only among conditions that must match.
        Node::Not(inner) => compile(fields, inner, next),
    }
}

fn leaf_query(fields: &Fields, leaf: &Leaf, statistics: WordStatistics) -> Box<dyn IndexQuery> {
    let texts = fields.texts;
    let word = |forms: &[Form], slop| {
        Box::new(WordQuery { forms: Arc::from(forms), slop, fields: leaf.fields, texts, statistics })
    };
    match &leaf.words {
        Words::Forms(forms) => word(forms, 0),
        Words::Phrase { form, slop } => word(std::slice::from_ref(form), *slop),
        Words::Prefix(prefix) => Box::new(PrefixQuery { prefix: prefix.clone(), fields: leaf.fields, texts }),
    }
}

/// Combines a text query with a selection and the conditions of a filter that the index has terms for. They change no
/// score.
pub(super) fn with_filter(
    fields: &Fields,
    query: Option<Box<dyn IndexQuery>>,
    filter: &Filter,
    selection: &Selection,
) -> Box<dyn IndexQuery> {
    let mut nodes: Vec<(Occur, Box<dyn IndexQuery>)> = Vec::new();
    let of_sets = |occur: Occur, sets: &[Arc<ArticleSet>]| {
        let query = |set: &Arc<ArticleSet>| (occur, unscored(article_query(fields, set)));
        sets.iter().map(query).collect::<Vec<_>>()
    };
    nodes.extend(of_sets(Occur::Must, &selection.all_of));
    nodes.extend(of_sets(Occur::MustNot, &selection.none_of));
    for any in &filter.any_of {
        let terms: Vec<Term> = any.iter().map(|facet| fields.facet_term(facet)).collect();
        nodes.push((Occur::Must, unscored(any_term(terms))));
    }
    for facet in &filter.none_of {
        nodes.push((Occur::MustNot, unscored(any_term(vec![fields.facet_term(facet)]))));
    }
    if let Some(digests) = &filter.digests {
        let terms = digests.iter().map(|digest| fields.digest_term(digest)).collect();
        nodes.push((Occur::Must, unscored(any_term(terms))));
    }
    for digest in &filter.not_digests {
        nodes.push((Occur::MustNot, unscored(any_term(vec![fields.digest_term(digest)]))));
    }
    if let Some(text) = &filter.query {
        let text = compile(fields, text.root(), &mut |_| WordStatistics::default());
        nodes.push((Occur::Must, unscored(text)));
    }
    if nodes.is_empty() {
        return query.unwrap_or_else(|| Box::new(AllQuery));
    }
    nodes.push((Occur::Must, query.unwrap_or_else(|| Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)))));
    Box::new(BooleanQuery::new(nodes))
}

/// Returns the query for the articles of a set.
fn article_query(fields: &Fields, set: &ArticleSet) -> Box<dyn IndexQuery> {
    let ids = any_term(set.ids().iter().map(|id| fields.id_term(id)).collect());
    if set.texts().is_empty() {
        return ids;
    }
    let texts = any_term(set.texts().iter().map(|text| fields.text_term(*text)).collect());
    Box::new(BooleanQuery::new(vec![(Occur::Should, ids), (Occur::Should, texts)]))
}

fn any_term(mut terms: Vec<Term>) -> Box<dyn IndexQuery> {
    match terms.len() {
        1 => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::Basic)),
        _ => Box::new(TermSetQuery::new(terms)),
    }
}

fn unscored(query: Box<dyn IndexQuery>) -> Box<dyn IndexQuery> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
