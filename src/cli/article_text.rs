//! Articles formatted for a terminal.

use std::io::IsTerminal;

use crate::article::from_proto;
use crate::proto::{Article, ChangeKind, Highlight, SearchResult};

/// Formats a whole article.
pub(super) fn whole(article: &Article) -> String {
    let mut out = format!("{}\n", bold(&article.headline));
    if !article.subheadline.is_empty() {
        out += &format!("{}\n", article.subheadline);
    }
    out += &format!("{}\n", dim(&facts(article)));
    if !article.body.is_empty() {
        out += &format!("\n{}\n", article.body);
    }
    out
}

/// Formats an article as one line of a list.
pub(super) fn entry(article: &Article) -> String {
    let time = time(article.publish_time.as_ref().or(article.create_time.as_ref()));
    format!("{time:<20}  {}  {}", article.name, bold(&article.headline))
}

/// Formats a search result: headline, name and source, snippet.
pub(super) fn result(result: &SearchResult) -> String {
    let article = result.article.clone().unwrap_or_default();
    format!(
        "{}\n  {}\n  {}\n",
        marked(&article.headline, &result.headline_highlights),
        dim(&format!("{}  score {:.2}", facts(&article), result.score)),
        marked(&result.snippet, &result.highlights),
    )
}

/// Returns a change kind's name without its prefix: `REVISED`.
pub(super) fn change(kind: i32) -> &'static str {
    ChangeKind::try_from(kind).unwrap_or_default().as_str_name().trim_start_matches("CHANGE_KIND_")
}

fn facts(article: &Article) -> String {
    let mut facts = vec![article.name.clone()];
    let dateline = article.dateline.as_ref().map_or("", |dateline| &dateline.place);
    let authors = article.authors.join(", ");
    let time = article.publish_time.as_ref().map(|published| time(Some(published))).unwrap_or_default();
    for fact in [&article.source, &article.publisher, &authors, &article.agency, dateline, &time, &article.language] {
        if !fact.is_empty() && !facts.iter().any(|known| known == fact) {
            facts.push(fact.to_owned());
        }
    }
    if article.revision > 1 {
        facts.push(format!("revision {}", article.revision));
    }
    if !article.duplicate_of.is_empty() {
        facts.push(format!("duplicate of {}", article.duplicate_of));
    }
    facts.retain(|fact| !fact.is_empty());
    facts.join(" · ")
}

fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(|time| from_proto(time).ok()).map(|time| format!("{time:.0}")).unwrap_or_default()
}

/// Marks the highlights, whose offsets count code points.
fn marked(text: &str, highlights: &[Highlight]) -> String {
    let mut out = String::new();
    let mut inside = false;
    for (offset, letter) in text.chars().enumerate() {
        let now = highlights.iter().any(|it| (it.start..it.end).contains(&(offset as i32)));
        if now != inside && colours() {
            out += if now { "\x1b[1;33m" } else { "\x1b[0m" };
        }
        inside = now;
        out.push(letter);
    }
    if inside && colours() {
        out += "\x1b[0m";
    }
    out
}

pub(super) fn bold(text: &str) -> String {
    styled(text, "1")
}

pub(super) fn dim(text: &str) -> String {
    styled(text, "2")
}

fn styled(text: &str, code: &str) -> String {
    if colours() && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Returns true if standard output is a terminal and NO_COLOR is unset or empty: see no-color.org.
fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
