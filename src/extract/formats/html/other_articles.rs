//! Other articles below that of a page, which load as the reader goes on.

use dom_query::{Document, NodeRef};

use crate::article::{clean_line, fold};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::node_text::node_text;
use crate::extract::report::{CutReason, Report};

/// Maximum number of headings that are compared with the headline, and of levels around the right one.
const MAX_HEADINGS: usize = 20;
const MAX_LEVELS: usize = 8;
/// Maximum number of other articles.
const MAX_OTHERS: usize = 20;
/// Words of classes of articles.
const CLASSES: [&str; 6] = ["article", "post", "story", "entry", "hentry", "news-item"];

/// Removes the articles beside that of the page: each has another headline.
pub(super) fn cut(
    document: &Document,
    headline: &str,
    report: &mut Report,
    budget: &Budget<'_>,
) -> Result<(), ExtractError> {
    if headline.is_empty() {
        return Ok(());
    }
    for level in ["h1", "h2"] {
        for heading in document.select(level).nodes().iter().take(MAX_HEADINGS) {
            if fold(&node_text(heading, budget)?) != fold(headline) {
                continue;
            }
            let Some(own) = heading.ancestors_it(Some(MAX_LEVELS)).find(is_article) else { continue };
            let others = others(document, &own, level, headline, budget)?;
            for other in &others {
                let text = other.text();
                budget.read(text.len())?;
                report.cut(&clean_line(&text), CutReason::Teasers, "other-article", 0.8);
                other.remove_from_parent();
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Returns the articles behind that of the page: each has another headline of the same level, or a linked one.
fn others<'a>(
    document: &'a Document,
    own: &NodeRef<'a>,
    level: &str,
    headline: &str,
    budget: &Budget<'_>,
) -> Result<Vec<NodeRef<'a>>, ExtractError> {
    let Some(name) = own.node_name() else { return Ok(Vec::new()) };
    let same = document.select(&name);
    let is_behind = |node: &&NodeRef<'a>| node.id != own.id && is_article(node);
    let mut others: Vec<NodeRef<'a>> = Vec::new();
    let behind = same.nodes().iter().skip_while(|node| node.id != own.id).filter(is_behind);
    for node in behind.take(MAX_OTHERS) {
        budget.step()?;
        let is_within = node.ancestors_it(None).any(|outer| outer.id == own.id);
        let mut headings = node.descendants_it().filter(|inner| is_heading(inner));
        let Some(heading) = headings.next().filter(|_| !is_within) else { continue };
        let is_level = heading.node_name().is_some_and(|name| &*name == level);
        let is_linked = heading.descendants_it().chain(heading.parent()).any(|inner| inner.has_attr("href"));
        if (is_level || is_linked) && fold(&node_text(&heading, budget)?) != fold(headline) {
            others.push(*node);
        }
    }
    Ok(others)
}

fn is_heading(node: &NodeRef<'_>) -> bool {
    node.node_name().is_some_and(|name| matches!(&*name, "h1" | "h2" | "h3" | "h4"))
}

fn is_article(node: &NodeRef<'_>) -> bool {
    let has_class = |class: &str| class.split_ascii_whitespace().any(|word| CLASSES.contains(&word));
    node.node_name().is_some_and(|name| &*name == "article")
        || node.attr("itemtype").is_some_and(|kind| kind.ends_with("Article") || kind.ends_with("BlogPosting"))
        || node.attr("class").is_some_and(|class| has_class(&class))
}
