//! Articles formatted for a terminal.

use std::io::IsTerminal;

use crate::article::from_proto;
use crate::proto::{Article, ChangeKind, SearchResult, TextPart};

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

/// Returns the cells of an article in a list: time, name and headline.
pub(super) fn entry(article: &Article) -> [String; 3] {
    let time = time(article.publish_time.as_ref().or(article.create_time.as_ref()));
    [time, article.name.clone(), article.headline.clone()]
}

/// Returns an article's state without its prefix: `WITHDRAWN`.
pub(super) fn state(article: &Article) -> &'static str {
    article.state().as_str_name().trim_start_matches("ARTICLE_STATE_")
}

/// Formats a search result: headline, name and source, snippet.
pub(super) fn result(result: &SearchResult) -> String {
    let article = result.article.clone().unwrap_or_default();
    format!("{}\n  {}\n  {}\n", marked(&result.headline), dim(&facts(&article)), marked(&result.snippet),)
}

/// Returns a change kind's name without its prefix: `REVISED`.
pub(super) fn change(kind: i32) -> &'static str {
    ChangeKind::try_from(kind).unwrap_or_default().as_str_name().trim_start_matches("CHANGE_KIND_")
}

pub(super) fn facts(article: &Article) -> String {
    let mut facts = vec![article.name.clone()];
    let dateline = article.dateline.as_ref().map_or("", |dateline| &dateline.place);
    let authors: Vec<&str> = article.authors.iter().map(|author| author.name.as_str()).collect();
    let authors = authors.join(", ");
    let time = article.publish_time.as_ref().map(|published| time(Some(published))).unwrap_or_default();
    for fact in
        [&article.source, &article.publisher, &authors, &article.agency, dateline, &time, &article.language_code]
    {
        if !fact.is_empty() && !facts.iter().any(|known| known == fact) {
            facts.push(fact.to_owned());
        }
    }
    if article.revision > 1 {
        facts.push(format!("revision {}", article.revision));
    }
    facts.retain(|fact| !fact.is_empty());
    facts.join(" · ")
}

pub(super) fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(|time| from_proto(time).ok()).map(|time| format!("{time:.0}")).unwrap_or_default()
}

/// Concatenates the parts, with matches in colour.
fn marked(parts: &[TextPart]) -> String {
    parts.iter().map(|part| if part.matched { styled(&part.text, "1;33") } else { part.text.clone() }).collect()
}

/// Formats inserted text: in colour, or as `{+text+}`.
pub(super) fn inserted(text: &str) -> String {
    marked_as(text, "32", ["{+", "+}"])
}

/// Formats removed text: in colour and struck through, or as `[-text-]`.
pub(super) fn removed(text: &str) -> String {
    marked_as(text, "9;31", ["[-", "-]"])
}

fn marked_as(text: &str, code: &str, [begin, end]: [&str; 2]) -> String {
    match (text.is_empty(), colours()) {
        (true, _) => String::new(),
        (false, true) => styled(text, code),
        (false, false) => format!("{begin}{text}{end}"),
    }
}

pub(super) fn bold(text: &str) -> String {
    styled(text, "1")
}

pub(super) fn dim(text: &str) -> String {
    styled(text, "2")
}

pub(super) fn styled(text: &str, code: &str) -> String {
    if colours() && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Returns true if standard output is a terminal and NO_COLOR is unset or empty: see no-color.org.
fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
