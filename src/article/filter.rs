//! Which articles a reader asks for.

use jiff::Timestamp;

use super::{Query, Violations, fold, from_proto};
use crate::proto::{Article, ArticleFilter};

/// How many values one condition may have.
const MAX_VALUES: usize = 100;

/// The properties that articles are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FacetKind {
    /// The publisher's host or name.
    Source,
    /// The language, and each that it is a kind of: `en-gb`, `en`.
    Language,
    /// The section.
    Section,
    /// A keyword.
    Tag,
    /// An author.
    Author,
    /// The news agency.
    Agency,
}

/// One property of an article, folded for comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facet {
    /// Which property.
    pub kind: FacetKind,
    /// Its folded value.
    pub value: String,
}

impl Facet {
    /// All that an article has, each once.
    pub fn of(article: &Article) -> Vec<Facet> {
        let mut facets = Vec::new();
        let mut add = |kind, value: &str| {
            let value = fold(value);
            if !value.is_empty() {
                facets.push(Facet { kind, value });
            }
        };
        add(FacetKind::Source, &article.source);
        let mut language = article.language.as_str();
        loop {
            add(FacetKind::Language, language);
            match language.rfind('-') {
                Some(at) => language = &language[..at],
                None => break,
            }
        }
        add(FacetKind::Section, &article.section);
        add(FacetKind::Agency, &article.agency);
        article.tags.iter().for_each(|tag| add(FacetKind::Tag, tag));
        article.authors.iter().for_each(|author| add(FacetKind::Author, author));
        facets.sort_unstable();
        facets.dedup();
        facets
    }
}

/// A filter that has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// For each kind asked for, the values of which one is enough.
    pub any_of: Vec<Vec<Facet>>,
    /// Published at or after.
    pub publish_from: Option<Timestamp>,
    /// Published before.
    pub publish_until: Option<Timestamp>,
    /// A query that must match.
    pub query: Option<Query>,
    /// Without those that say what an earlier one says.
    pub exclude_duplicates: bool,
}

impl Filter {
    /// Checks a filter of the API; fields in errors begin with `filter.`.
    pub fn parse(filter: Option<&ArticleFilter>) -> Result<Self, Violations> {
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        let mut wrong = Violations::default();
        let mut any_of = Vec::new();
        let conditions = [
            ("sources", FacetKind::Source, &filter.sources),
            ("languages", FacetKind::Language, &filter.languages),
            ("sections", FacetKind::Section, &filter.sections),
            ("tags", FacetKind::Tag, &filter.tags),
            ("authors", FacetKind::Author, &filter.authors),
            ("agencies", FacetKind::Agency, &filter.agencies),
        ];
        for (name, kind, values) in conditions {
            if values.len() > MAX_VALUES {
                wrong.add(format!("filter.{name}"), "must have at most 100 values");
            }
            let mut facets: Vec<Facet> =
                values.iter().take(MAX_VALUES).map(|value| Facet { kind, value: fold(value) }).collect();
            if let Some(at) = facets.iter().position(|facet| facet.value.is_empty()) {
                wrong.add(format!("filter.{name}[{at}]"), "must not be empty");
            }
            facets.sort_unstable();
            facets.dedup();
            if !facets.is_empty() {
                any_of.push(facets);
            }
        }
        let mut time = |name: &str, value: &Option<prost_types::Timestamp>| {
            value
                .as_ref()
                .and_then(|time| from_proto(time).map_err(|right| wrong.add(format!("filter.{name}"), right)).ok())
        };
        let publish_from = time("publish_time_from", &filter.publish_time_from);
        let publish_until = time("publish_time_until", &filter.publish_time_until);
        let query = match filter.text.as_str() {
            "" => None,
            text => Query::parse(text, "filter.text").map_err(|inner| wrong.0.extend(inner.0)).ok(),
        };
        wrong.or(Self { any_of, publish_from, publish_until, query, exclude_duplicates: filter.exclude_duplicates })
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an article matches; says the same as the stores' queries do.
    pub fn matches(&self, article: &Article) -> bool {
        if self.is_empty() {
            return true;
        }
        let facets = Facet::of(article);
        let time = article.publish_time.as_ref().or(article.create_time.as_ref());
        let time = time.and_then(|time| from_proto(time).ok());
        self.any_of.iter().all(|any| any.iter().any(|facet| facets.binary_search(facet).is_ok()))
            && self.publish_from.is_none_or(|from| time.is_some_and(|time| time >= from))
            && self.publish_until.is_none_or(|until| time.is_some_and(|time| time < until))
            && (!self.exclude_duplicates || article.duplicate_of.is_empty())
            && self.query.as_ref().is_none_or(|query| query.matches(article))
    }
}
