//! Headings and bylines that a page shows, in reading order.

use std::collections::HashSet;

use dom_query::{Document, NodeId, NodeRef};

use super::byline;
use super::people::{Class, byline_start, is_author_path, is_class, is_unspaced, may_start_byline};
use super::pieces::{SplitAt, pieces};
use crate::article::{clean_line, fold};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::node_text::read_text;

/// Maximum number of headings of one level, and of bylines.
const MAX_HEADINGS: usize = 12;
const MAX_BYLINES: usize = 60;
/// Words of classes of bylines that are none alone.
const BY: [&str; 3] = [" posted by", " written by", " submitted by"];
/// Maximum number of tags.
const MAX_TAGS: usize = 50;
/// Maximum number of elements that are read as bylines.
const MAX_ATTEMPTS: usize = 1_000;
/// Maximum size of a heading and of a byline, in bytes.
const HEADING_BYTES: usize = 1_500;
const BYLINE_BYTES: usize = 400;
/// Minimum length of a paragraph of running text, in bytes.
const PROSE_BYTES: usize = 160;
/// Maximum length of a class that is read, in characters.
const CLASS_CHARS: usize = 300;

/// Headings and bylines of a page.
#[derive(Debug, Default)]
pub(super) struct Visible {
    pub(super) headings: Vec<Heading>,
    pub(super) bylines: Vec<ShownByline>,
    /// Texts of links that are marked as the article's tags.
    pub(super) tags: Vec<String>,
}

/// A heading of the first or second level.
#[derive(Clone, Debug)]
pub(super) struct Heading {
    pub(super) level: u8,
    /// The text with a space between its pieces.
    pub(super) text: String,
    /// The text without a label above the headline.
    pub(super) headline: String,
    /// Number of pieces.
    pub(super) pieces: usize,
    order: usize,
}

/// A text that may name the author.
#[derive(Clone, Debug)]
pub(super) struct ShownByline {
    /// The text, with a line for each element.
    pub(super) text: String,
    /// Address of the author's page.
    pub(super) link: Option<String>,
    /// Confidence that the text names the author, by its markup.
    pub(super) weight: u8,
    /// Classes and element, which the names of several authors share.
    pub(super) signature: String,
    /// Number of elements between the headline and the text; None before the headline.
    pub(super) distance: Option<usize>,
    /// True behind the first paragraph of the article.
    pub(super) is_behind_text: bool,
}

impl Visible {
    /// Reads a page.
    pub(super) fn read(document: &Document, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let mut reader = Reader {
            budget,
            visible: Self::default(),
            order: 0,
            prose: None,
            around_headline: HashSet::new(),
            attempts: MAX_ATTEMPTS,
        };
        if let Some(heading) = document.select("h1").nodes().first() {
            reader.around_headline = heading.ancestors_it(None).map(|ancestor| ancestor.id).collect();
        }
        let Some(body) = document.body() else { return Ok(reader.visible) };
        reader.children(&body, false)?;
        let mut visible = reader.visible;
        let headline = visible.headings.iter().find(|heading| heading.level == 1).or(visible.headings.first());
        let headline = headline.map_or(0, |heading| heading.order);
        for byline in &mut visible.bylines {
            byline.distance = byline.distance.and_then(|order| order.checked_sub(headline));
        }
        Ok(visible)
    }
}

struct Reader<'a> {
    budget: &'a Budget<'a>,
    visible: Visible,
    /// Number of elements so far.
    order: usize,
    /// Number of elements before the first paragraph of running text.
    prose: Option<usize>,
    around_headline: HashSet<NodeId>,
    /// Number of elements that may still be read as bylines.
    attempts: usize,
}

impl Reader<'_> {
    fn children(&mut self, node: &NodeRef<'_>, is_other: bool) -> Result<(), ExtractError> {
        for child in node.children_it(false) {
            self.budget.step()?;
            if child.is_text() {
                self.text(node, &child, is_other)?;
            } else if child.is_element() {
                self.element(&child, is_other)?;
            }
        }
        Ok(())
    }

    fn element(&mut self, node: &NodeRef<'_>, is_other: bool) -> Result<(), ExtractError> {
        self.order += 1;
        let Some(name) = node.node_name() else { return Ok(()) };
        match &*name {
            "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "select" | "textarea" | "object"
            | "video" | "audio" => return Ok(()),
            "h1" | "h2" => self.heading(node, if &*name == "h1" { 1 } else { 2 })?,
            "a" if !is_other => self.tag(node)?,
            _ => {}
        }
        let words = class_words(node);
        let is_aside = matches!(&*name, "nav" | "aside" | "footer" | "figure" | "figcaption" | "blockquote");
        let is_other = is_other
            || (is_aside || words.split(' ').any(|word| is_class(Class::Other, word)))
                && !self.around_headline.contains(&node.id)
                && &*name != "article";
        if !is_other && self.visible.bylines.len() < MAX_BYLINES && !self.around_headline.contains(&node.id) {
            self.marked(node, &name, &words)?;
        }
        self.children(node, is_other)
    }

    /// Reads a link to the page of a tag.
    fn tag(&mut self, node: &NodeRef<'_>) -> Result<(), ExtractError> {
        let relation = node.attr("rel").map(|relation| relation.to_ascii_lowercase()).unwrap_or_default();
        let lists = |word: &str| relation.split_ascii_whitespace().any(|listed| listed == word);
        if lists("tag") && !lists("category") && self.visible.tags.len() < MAX_TAGS {
            let text = node.text();
            self.budget.read(text.len())?;
            self.visible.tags.push(clean_line(&text));
        }
        Ok(())
    }

    fn heading(&mut self, node: &NodeRef<'_>, level: u8) -> Result<(), ExtractError> {
        if self.visible.headings.iter().filter(|heading| heading.level == level).count() >= MAX_HEADINGS {
            return Ok(());
        }
        let Some(all) = pieces(node, SplitAt::Blocks, HEADING_BYTES, self.budget)? else { return Ok(()) };
        if all.is_empty() {
            return Ok(());
        }
        let mut headline = all.clone();
        for child in node.children_it(true) {
            let words = class_words(&child);
            let is_small = child.node_name().is_some_and(|name| &*name == "small");
            if is_small || words.split(' ').any(|word| is_class(Class::Kicker, word)) {
                let kicker = clean_line(&child.text());
                self.budget.read(kicker.len())?;
                if kicker.is_empty() {
                    continue;
                }
                if let Some(first) = headline.first_mut().filter(|first| first.starts_with(&kicker)) {
                    first.drain(..kicker.len());
                } else if let Some(last) = headline.last_mut().filter(|last| {
                    // A mark behind the headline is shorter than that.
                    last.ends_with(&kicker) && last.len() > kicker.len() * 2
                }) {
                    last.truncate(last.len() - kicker.len());
                }
            }
        }
        let headline = clean_line(&headline.join(" "));
        let text = all.join(" ");
        let headline = if headline.chars().any(char::is_alphanumeric) { headline } else { text.clone() };
        self.visible.headings.push(Heading { level, text, headline, pieces: all.len(), order: self.order });
        Ok(())
    }

    /// Reads an element that is marked as an author by `rel`, `itemprop`, its class or its address.
    fn marked(&mut self, node: &NodeRef<'_>, name: &str, words: &str) -> Result<(), ExtractError> {
        let attribute = |name: &str| node.attr(name).map(|value| value.to_ascii_lowercase()).unwrap_or_default();
        let lists = |name: &str| attribute(name).split_ascii_whitespace().any(|value| value == "author");
        let is_page = name == "a" && author_page(&attribute("href"));
        // `posted-by`, but not `powered-by`.
        let is_posted = words.contains(" by") && BY.iter().any(|by| words.contains(by));
        let is_marked = is_posted || words.split(' ').any(is_byline_word);
        let is_beside = is_marked && words.split(' ').any(|word| is_class(Class::BesideName, word));
        let weight = match () {
            () if lists("rel") || lists("itemprop") => 3,
            () if is_marked && !is_beside => 3,
            () if is_page => 2,
            () => return Ok(()),
        };
        self.add(node, weight)
    }

    /// Reads an element whose text begins like a byline.
    fn text(&mut self, parent: &NodeRef<'_>, node: &NodeRef<'_>, is_other: bool) -> Result<(), ExtractError> {
        let may_have_byline = !is_other && self.visible.bylines.len() < MAX_BYLINES;
        let (bytes, is_unspaced_line, line) = read_text(node, |text| {
            let is_long = text.len() >= PROSE_BYTES && !is_other && self.prose.is_none();
            if is_long && clean_line(text).len() >= PROSE_BYTES {
                self.prose = Some(self.order);
            }
            let start = text.trim_start();
            let is_unspaced_line = start.starts_with(is_unspaced);
            let may_start = is_unspaced_line || may_start_byline(start);
            let is_read = may_have_byline && text.len() <= BYLINE_BYTES && may_start;
            (text.len(), is_unspaced_line, if is_read { clean_line(text) } else { String::new() })
        });
        self.budget.read(bytes)?;
        if is_unspaced_line && !line.is_empty() && byline::is_reporter(&line) {
            return self.add(parent, 2);
        }
        if line.is_empty() || byline_start(&fold(&line)).is_none() || is_sentence(&line) {
            return Ok(());
        }
        // A headline may begin with such a word.
        let name = parent.node_name().unwrap_or_default();
        if matches!(&*name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "a") && line.split(' ').count() > 6 {
            return Ok(());
        }
        // `By` alone: the name is in an element beside it.
        let is_alone = node.prev_sibling().is_none() && node.next_sibling().is_none();
        match parent.parent().filter(|_| is_alone && byline_start(&fold(&line)) == Some(line.chars().count())) {
            Some(outer) => self.add(&outer, 2),
            None => self.add(parent, 2),
        }
    }

    fn add(&mut self, node: &NodeRef<'_>, weight: u8) -> Result<(), ExtractError> {
        let Some(attempts) = self.attempts.checked_sub(1) else { return Ok(()) };
        self.attempts = attempts;
        let Some(pieces) = pieces(node, SplitAt::Elements, BYLINE_BYTES, self.budget)? else { return Ok(()) };
        let text = pieces.join("\n");
        if text.is_empty() || text.chars().count() > byline::MAX_CHARS {
            return Ok(());
        }
        let link = node.attr("href").map(|href| href.to_string()).or_else(|| {
            let mut links = node.descendants_it().filter(|inner| inner.node_name().is_some_and(|name| &*name == "a"));
            let first = links.next()?;
            if links.next().is_some() { None } else { first.attr("href").map(|href| href.to_string()) }
        });
        let signature = format!(
            "{} {} {}",
            node.node_name().unwrap_or_default(),
            node.attr("class").unwrap_or_default(),
            node.attr("rel").unwrap_or_default()
        );
        self.visible.bylines.push(ShownByline {
            text,
            link: link.filter(|link| !link.starts_with('#') && !link.starts_with("mailto:")),
            weight,
            signature,
            distance: Some(self.order),
            is_behind_text: self.prose.is_some(),
        });
        Ok(())
    }
}

/// Returns true for a sentence: it ends like one, and has more words than `By Jane Doe.` or a list of names.
fn is_sentence(line: &str) -> bool {
    let words = line.split(' ').count();
    let unspaced = line.chars().filter(|c| is_unspaced(*c)).count();
    let is_long = if unspaced > 0 { unspaced > 8 } else { words >= 5 && !line.contains([',', '،']) };
    is_long && line.ends_with(['.', '!', '?', '。', '！', '？', '؟', '।', '۔', '։'])
}

/// Returns true for the address of an author's page: `/author/jane-doe`.
fn author_page(href: &str) -> bool {
    let path = href.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    segments.iter().rev().skip(1).take(4).any(|segment| is_author_path(segment))
}

/// Returns true for a word of a class of bylines, or one that contains it: `storybyline`, `authorname`.
fn is_byline_word(word: &str) -> bool {
    is_class(Class::Byline, word)
        || (word.contains("byline") || word.contains("author") && !word.contains("authori"))
            && !word.starts_with("unauthor")
            && !word.contains("authored")
}

/// Returns the words of an element's class, ID and test ID, in lower case and separated by spaces: `story_authorName`
/// has `author`.
fn class_words(node: &NodeRef<'_>) -> String {
    let mut words = String::new();
    for name in ["class", "id", "data-testid", "data-component", "data-qa"] {
        let Some(value) = node.attr(name) else { continue };
        words.reserve(value.len() + 8);
        let mut was_lower = false;
        words.push(' ');
        for c in value.chars().take(CLASS_CHARS) {
            if !c.is_ascii_alphanumeric() || c.is_ascii_uppercase() && was_lower {
                words.push(' ');
            }
            if c.is_ascii_alphanumeric() {
                words.push(c.to_ascii_lowercase());
            }
            was_lower = c.is_ascii_lowercase();
        }
    }
    words
}
