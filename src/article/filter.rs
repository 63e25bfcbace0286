//! List filters.

use jiff::Timestamp;

use super::{Query, Violations, fold, from_proto};
use crate::proto::{Article, ArticleFilter, ArticleState};

/// Maximum number of values of one condition.
const MAX_VALUES: usize = 100;

/// Properties that list filters match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FacetKind {
    /// The publisher's host or name.
    Source,
    /// The language, and each that contains it: `en-gb`, `en`.
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
    /// Kind of property.
    pub kind: FacetKind,
    /// Its folded value.
    pub value: String,
}

impl Facet {
    /// Returns all properties of an article, each once.
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

/// A validated filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Alternatives for each requested kind; one value of each must match.
    pub any_of: Vec<Vec<Facet>>,
    /// Start of the range of publish times, inclusive.
    pub publish_from: Option<Timestamp>,
    /// End of the range of publish times, exclusive.
    pub publish_until: Option<Timestamp>,
    /// A query that must match.
    pub query: Option<Query>,
    /// True to exclude articles with the same text as an earlier one.
    pub exclude_duplicates: bool,
    /// States; only readable articles if empty. The store checks them.
    pub states: Vec<ArticleState>,
}

impl Filter {
    /// Validates a filter of the API. Fields in errors begin with `filter.`.
    pub fn parse(filter: Option<&ArticleFilter>) -> Result<Self, Violations> {
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        // Without `..`: a condition that is not read would match every article.
        let ArticleFilter {
            sources,
            languages,
            sections,
            tags,
            authors,
            agencies,
            publish_time_from,
            publish_time_until,
            text,
            exclude_duplicates,
            states,
        } = filter;
        let mut violations = Violations::default();
        let mut any_of = Vec::new();
        let conditions = [
            ("sources", FacetKind::Source, sources),
            ("languages", FacetKind::Language, languages),
            ("sections", FacetKind::Section, sections),
            ("tags", FacetKind::Tag, tags),
            ("authors", FacetKind::Author, authors),
            ("agencies", FacetKind::Agency, agencies),
        ];
        for (name, kind, values) in conditions {
            if values.len() > MAX_VALUES {
                violations.add(format!("filter.{name}"), "must have at most 100 values");
            }
            let mut facets: Vec<Facet> =
                values.iter().take(MAX_VALUES).map(|value| Facet { kind, value: fold(value) }).collect();
            if let Some(at) = facets.iter().position(|facet| facet.value.is_empty()) {
                violations.add(format!("filter.{name}[{at}]"), "must not be empty");
            }
            facets.sort_unstable();
            facets.dedup();
            if !facets.is_empty() {
                any_of.push(facets);
            }
        }
        let mut time = |name: &str, value: &Option<prost_types::Timestamp>| {
            value.as_ref().and_then(|time| {
                from_proto(time).map_err(|expected| violations.add(format!("filter.{name}"), expected)).ok()
            })
        };
        let publish_from = time("publish_time_from", publish_time_from);
        let publish_until = time("publish_time_until", publish_time_until);
        let query = match text.as_str() {
            "" => None,
            text => Query::parse(text, "filter.text").map_err(|inner| violations.0.extend(inner.0)).ok(),
        };
        let mut known: Vec<ArticleState> = Vec::new();
        for (at, state) in states.iter().enumerate() {
            match ArticleState::try_from(*state) {
                Ok(ArticleState::Unspecified) | Err(_) => {
                    violations.add(format!("filter.states[{at}]"), "must be a state of an article");
                }
                Ok(state) if !known.contains(&state) => known.push(state),
                Ok(_) => {}
            }
        }
        if query.is_some() && known.iter().any(|state| *state != ArticleState::Active) {
            violations.add("filter.text", "must be empty with states other than ACTIVE: they are not in the index");
        }
        let exclude_duplicates = *exclude_duplicates;
        violations.or(Self { any_of, publish_from, publish_until, query, exclude_duplicates, states: known })
    }

    /// Validates the filter of a method that returns readable articles only.
    pub fn parse_for_readers(filter: Option<&ArticleFilter>) -> Result<Self, Violations> {
        let filter = Self::parse(filter)?;
        match filter.states.is_empty() {
            true => Ok(filter),
            false => Err(Violations::one("filter.states", "must be empty: only ListArticles selects by state")),
        }
    }

    /// Returns true if the filter matches every article.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if an article matches. Agrees with the stores' queries.
    pub fn matches(&self, article: &Article) -> bool {
        if self.is_empty() {
            return true;
        }
        // Without `..`: a condition that is not checked would match every article.
        let Self { any_of, publish_from, publish_until, query, exclude_duplicates, states: _ } = self;
        let facets = Facet::of(article);
        let time = article.publish_time.as_ref().or(article.create_time.as_ref());
        let time = time.and_then(|time| from_proto(time).ok());
        any_of.iter().all(|any| any.iter().any(|facet| facets.binary_search(facet).is_ok()))
            && publish_from.is_none_or(|from| time.is_some_and(|time| time >= from))
            && publish_until.is_none_or(|until| time.is_some_and(|time| time < until))
            && (!exclude_duplicates || article.duplicate_of.is_empty())
            && query.as_ref().is_none_or(|query| query.matches(article))
    }
}
