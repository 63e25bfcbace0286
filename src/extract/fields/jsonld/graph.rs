//! Objects of a page's structured data, and the choice of the one that is the page's own article.

use serde_json::Value;

use super::PageIdentity;
use super::Structured;
use super::fields;
use super::references::{ById, types};

/// Types of articles, the most specific first. Others that end in `Article` or `Posting` rank behind these.
const ARTICLES: [&str; 10] = [
    "NewsArticle",
    "Article",
    "ReportageNewsArticle",
    "BlogPosting",
    "LiveBlogPosting",
    "AnalysisNewsArticle",
    "OpinionNewsArticle",
    "BackgroundNewsArticle",
    "ReviewNewsArticle",
    "Report",
];
/// Types of things that a page is about, with a headline and a date of their own.
const SUBJECTS: [&str; 5] = ["Recipe", "Review", "HowTo", "CreativeWork", "PodcastEpisode"];
/// Keys of objects that stand for the page or its content.
const OWN: [&str; 4] = ["@graph", "mainEntity", "mainEntityOfPage", "subjectOf"];
/// Keys of lists of other articles.
const LISTS: [&str; 6] = ["itemListElement", "hasPart", "item", "blogPost", "relatedLink", "mentions"];
/// Maximum depth and number of objects visited.
const MAX_DEPTH: usize = 6;
const MAX_OBJECTS: usize = 2_000;

/// An object that may be the page's article.
struct Candidate<'a> {
    value: &'a Value,
    rank: usize,
    /// True for an object in a list of other articles.
    is_listed: bool,
}

/// Returns the page's own article. What its object lacks is taken from the object of the page.
pub(super) fn article<'a>(values: &'a [Value], page: &PageIdentity, by_id: &ById<'a>) -> Structured {
    let mut search = Search { candidates: Vec::new(), left: MAX_OBJECTS };
    values.iter().for_each(|value| search.visit(value, 0, false));
    let matches = |candidate: &Candidate<'_>| {
        let (url, headline) = fields::identity(candidate.value);
        page.matches(url, headline)
    };
    let own = search.candidates.iter().map(|candidate| (matches(candidate), candidate));
    let own = own.filter(|(matches, candidate)| !candidate.is_listed || *matches > 0);
    // An article says more than the object of its page does. Of equal ones the first.
    let best = own.min_by_key(|(matches, candidate)| (candidate.rank == WEB_PAGE, -matches, candidate.rank));
    let mut best = best.map(|(_, candidate)| fields::article(candidate.value, by_id)).unwrap_or_default();
    let of_page = search.candidates.iter().find(|candidate| candidate.rank == WEB_PAGE && !candidate.is_listed);
    if let Some(of_page) = of_page {
        let of_page = fields::article(of_page.value, by_id);
        for (field, other) in [
            (&mut best.published, of_page.published),
            (&mut best.modified, of_page.modified),
            (&mut best.language, of_page.language),
        ] {
            if field.is_empty() {
                *field = other;
            }
        }
    }
    best
}

/// Rank of the object that stands for the page.
const WEB_PAGE: usize = 100;

/// Returns the rank of an object that may be an article.
fn rank(value: &Value) -> Option<usize> {
    let rank = |name: &str| {
        let known = ARTICLES.iter().position(|known| *known == name);
        known
            .or_else(|| (name.ends_with("Article") || name.ends_with("Posting")).then_some(ARTICLES.len()))
            .or_else(|| SUBJECTS.contains(&name).then_some(ARTICLES.len() + 1))
            .or_else(|| (name.ends_with("WebPage") || name == "ItemPage" || name == "AboutPage").then_some(WEB_PAGE))
    };
    types(value).into_iter().filter_map(rank).min()
}

struct Search<'a> {
    candidates: Vec<Candidate<'a>>,
    left: usize,
}

impl<'a> Search<'a> {
    fn visit(&mut self, value: &'a Value, depth: usize, is_listed: bool) {
        if depth > MAX_DEPTH || self.left == 0 {
            return;
        }
        self.left -= 1;
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.visit(item, depth + 1, is_listed)),
            Value::Object(object) => {
                let has = |key: &str| object.contains_key(key);
                if let Some(rank) = rank(value)
                    && (has("headline") || has("datePublished") || has("articleBody"))
                {
                    self.candidates.push(Candidate { value, rank, is_listed });
                }
                for key in OWN {
                    if let Some(inner) = object.get(key) {
                        self.visit(inner, depth + 1, is_listed);
                    }
                }
                for key in LISTS {
                    if let Some(inner) = object.get(key) {
                        self.visit(inner, depth + 1, true);
                    }
                }
            }
            _ => {}
        }
    }
}
