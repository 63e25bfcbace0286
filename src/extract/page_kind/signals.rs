//! Measurements of a page that tell articles from other pages in any language.

use std::ops::Range;

use dom_query::{Document, NodeId, NodeRef};

use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::fields::jsonld::clipped;
use crate::extract::node_text::read_text;

/// Minimum length of a paragraph of running text, in characters.
const PROSE_CHARS: usize = 80;
/// Maximum length of a text in which prices are counted, in bytes.
const PRICE_BYTES: usize = 24;
/// Maximum size of structured data that is searched for types, in bytes.
const MAX_DATA: usize = 1 << 20;

/// Measurements of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// Characters of visible text, and of its links.
    pub(super) chars: usize,
    pub(super) linked: usize,
    pub(super) links: usize,
    /// Paragraphs of running text, and their characters.
    pub(super) paragraphs: usize,
    pub(super) prose: usize,
    pub(super) headings: usize,
    /// Headings that are links, as over teasers; and their paragraphs of running text.
    pub(super) linked_headings: usize,
    pub(super) teaser_prose: usize,
    pub(super) list_items: usize,
    pub(super) fields: usize,
    pub(super) passwords: usize,
    pub(super) buttons: usize,
    pub(super) images: usize,
    pub(super) times: usize,
    pub(super) articles: usize,
    pub(super) code: usize,
    pub(super) prices: usize,
    /// Elements with a class of posts, replies or comments.
    pub(super) posts: usize,
    /// Values of `og:type` and types of structured data, in lower case.
    pub(super) og_type: String,
    pub(super) types: Vec<String>,
    /// Program that made the page.
    pub(super) generator: String,
    pub(super) has_published_tag: bool,
    pub(super) has_author_tag: bool,
    pub(super) title: String,
    pub(super) h1: String,
    /// The visible text in lower case.
    pub(super) text: String,
    /// Ranges of the text: elements in document order, and blocks.
    pub(super) elements: Vec<Element>,
    pub(super) blocks: Vec<Range<usize>>,
}

/// A block element and its range of the text.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) id: NodeId,
    pub(super) text: Range<usize>,
    pub(super) has_h1: bool,
    /// Class and ID in lower case.
    pub(super) class: String,
}

impl Signals {
    /// Reads a page before anything is cut from it.
    pub(crate) fn read(document: &Document, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let mut reader = Reader {
            signals: Self::default(),
            links: 0,
            heading: false,
            teaser: false,
            block: Block::default(),
            open: Vec::new(),
        };
        let mut node = Some(document.root());
        let mut open: Vec<bool> = Vec::new();
        // Iterative, since pages can be deep.
        while let Some(at) = node {
            budget.step()?;
            let enters = reader.enter(&at, budget)?;
            if enters && let Some(child) = at.first_child() {
                open.push(true);
                node = Some(child);
                continue;
            }
            reader.leave(&at);
            let mut up = Some(at);
            node = loop {
                let Some(here) = up else { break None };
                if let Some(sibling) = here.next_sibling() {
                    break Some(sibling);
                }
                if open.pop().is_none() {
                    break None;
                }
                up = here.parent();
                if let Some(parent) = &up {
                    reader.leave(parent);
                }
            };
        }
        reader.end_block();
        Ok(reader.signals)
    }

    pub(super) fn has_type(&self, names: &[&str]) -> bool {
        self.types.iter().any(|known| names.contains(&known.as_str()))
    }
}

/// Text of the current block.
#[derive(Default)]
struct Block {
    start: usize,
    chars: usize,
    linked: usize,
}

struct Reader {
    signals: Signals,
    /// Number of open links.
    links: usize,
    heading: bool,
    /// True below a heading that is a link.
    teaser: bool,
    block: Block,
    /// Indices of the open block elements.
    open: Vec<usize>,
}

impl Reader {
    /// Counts a node. Returns false if its content is not shown.
    fn enter(&mut self, node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<bool, ExtractError> {
        if node.is_text() {
            let bytes = read_text(node, |text| {
                self.text(text.trim());
                text.len()
            });
            budget.read(bytes)?;
            return Ok(false);
        }
        let Some(name) = node.node_name() else { return Ok(true) };
        let signals = &mut self.signals;
        match &*name {
            "script" => {
                if node.attr("type").is_some_and(|kind| kind.to_ascii_lowercase().contains("ld+json")) {
                    let text = node.text();
                    budget.read(text.len())?;
                    signals.types.extend(types_of(&text));
                }
                return Ok(false);
            }
            "style" | "noscript" | "template" | "svg" | "object" | "iframe" => return Ok(false),
            "meta" => self.meta(node),
            "title" => {
                if signals.title.is_empty() {
                    signals.title = line(node, budget)?;
                }
                return Ok(false);
            }
            "a" => {
                self.links += 1;
                signals.links += 1;
            }
            "h1" if signals.h1.is_empty() => {
                signals.h1 = line(node, budget)?;
            }
            "li" => signals.list_items += 1,
            "input" => {
                let kind = node.attr("type").map(|kind| kind.to_ascii_lowercase()).unwrap_or_default();
                signals.passwords += usize::from(kind == "password");
                signals.fields += usize::from(!matches!(kind.as_str(), "hidden" | "submit" | "button"));
            }
            "textarea" => signals.fields += 1,
            "select" => {
                signals.fields += 1;
                return Ok(false);
            }
            "button" => signals.buttons += 1,
            "img" => signals.images += 1,
            "time" => signals.times += 1,
            "article" => signals.articles += 1,
            "pre" | "code" => signals.code += 1,
            _ => {}
        }
        if matches!(&*name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6") {
            self.end_block();
            self.heading = true;
        } else if is_block(&name) {
            self.end_block();
        }
        if is_container(&name) {
            self.open(node);
        }
        if &*name == "h1" {
            // What is around a marked element is marked as well.
            let elements = &mut self.signals.elements;
            let unmarked =
                self.open.iter().rev().take_while(|open| !std::mem::replace(&mut elements[**open].has_h1, true));
            unmarked.for_each(drop);
        }
        if let Some(kind) = node.attr("itemtype") {
            self.signals.types.push(schema_name(&kind));
        }
        if is_post(node) {
            self.signals.posts += 1;
        }
        Ok(true)
    }

    fn leave(&mut self, node: &NodeRef<'_>) {
        let Some(name) = node.node_name() else { return };
        if is_container(&name)
            && let Some(at) = self.open.pop_if(|at| self.signals.elements[*at].id == node.id)
        {
            self.signals.elements[at].text.end = self.signals.text.len();
        }
        match &*name {
            "a" => self.links = self.links.saturating_sub(1),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let is_linked = self.block.chars > 0 && self.block.linked * 10 >= self.block.chars * 8;
                self.signals.headings += usize::from(self.block.chars > 0);
                self.signals.linked_headings += usize::from(is_linked);
                self.teaser = is_linked;
                self.heading = false;
                let start = self.block.start;
                self.new_block();
                self.signals.blocks.push(start..self.signals.text.len());
            }
            name if is_block(name) => self.end_block(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let chars = text.chars().count();
        self.signals.chars += chars;
        for word in text.split_whitespace() {
            let text = &mut self.signals.text;
            if word.is_ascii() {
                let start = text.len();
                text.push_str(word);
                text[start..].make_ascii_lowercase();
            } else {
                text.extend(word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }));
            }
            text.push(' ');
        }
        self.block.chars += chars;
        if self.links > 0 {
            self.signals.linked += chars;
            self.block.linked += chars;
        }
        if text.len() <= PRICE_BYTES && is_price(text) {
            self.signals.prices += 1;
        }
    }

    fn open(&mut self, node: &NodeRef<'_>) {
        let at = self.signals.text.len();
        let name = |key: &str| node.attr(key).unwrap_or_default().to_ascii_lowercase();
        let class = format!("{} {}", name("class"), name("id")).chars().take(200).collect();
        self.open.push(self.signals.elements.len());
        self.signals.elements.push(Element { id: node.id, text: at..at, has_h1: false, class });
    }

    fn new_block(&mut self) {
        self.block = Block { start: self.signals.text.len(), ..Block::default() };
    }

    fn end_block(&mut self) {
        if self.heading {
            return;
        }
        let Block { start, chars, linked } = std::mem::take(&mut self.block);
        self.new_block();
        if chars > 0 {
            self.signals.blocks.push(start..self.signals.text.len());
        }
        if chars >= PROSE_CHARS && linked * 2 < chars {
            self.signals.paragraphs += 1;
            self.signals.prose += chars;
            if self.teaser {
                self.signals.teaser_prose += chars;
            }
        }
    }

    fn meta(&mut self, node: &NodeRef<'_>) {
        let Some(name) = ["property", "name", "itemprop"].into_iter().find_map(|key| node.attr(key)) else { return };
        let content = node.attr("content").unwrap_or_default();
        let content = content.trim();
        let signals = &mut self.signals;
        match name.to_ascii_lowercase().as_str() {
            "og:type" => signals.og_type = content.to_ascii_lowercase(),
            "generator" if signals.generator.is_empty() => {
                signals.generator = content.to_ascii_lowercase().chars().take(60).collect();
            }
            "article:published_time" | "datepublished" | "parsely-pub-date" | "date" | "pubdate" | "publishdate"
                if !content.is_empty() =>
            {
                signals.has_published_tag = true;
            }
            "author" | "article:author" | "parsely-author" | "byl" if !content.is_empty() => {
                signals.has_author_tag = true
            }
            _ => {}
        }
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "li"
            | "ul"
            | "ol"
            | "section"
            | "article"
            | "main"
            | "aside"
            | "header"
            | "footer"
            | "nav"
            | "table"
            | "tr"
            | "td"
            | "th"
            | "blockquote"
            | "form"
            | "dl"
            | "dt"
            | "dd"
            | "pre"
            | "figure"
            | "figcaption"
            | "body"
    )
}

/// Returns the text of a title or a heading on one line.
fn line(node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<String, ExtractError> {
    let text = node.text();
    budget.read(text.len())?;
    Ok(clean_line(clipped(&text)).chars().take(300).collect())
}

/// Returns true for an element that a notice can be.
fn is_container(name: &str) -> bool {
    matches!(
        name,
        "p" | "div" | "section" | "aside" | "dialog" | "form" | "ul" | "footer" | "header" | "h2" | "h3" | "li"
    )
}

/// Returns true for an element with a class of a post, a reply or a comment.
fn is_post(node: &NodeRef<'_>) -> bool {
    const WORDS: [&str; 12] = [
        "reply",
        "replies",
        "postbody",
        "post-body",
        "post_body",
        "message-body",
        "topic-post",
        "postcontent",
        "comment",
        "comment-body",
        "postrow",
        "post-message",
    ];
    let Some(class) = node.attr("class") else { return false };
    class.split_ascii_whitespace().take(20).any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Returns true for an amount with a currency: `$ 12.99`, `12,99 €`.
fn is_price(text: &str) -> bool {
    text.contains(['$', '€', '£', '¥', '₹', '₽', '₩', '₺']) && text.contains(|c: char| c.is_ascii_digit())
}

/// Returns the types in JSON-LD, valid or not, in lower case.
fn types_of(json: &str) -> Vec<String> {
    let json = &json[..(0..=json.len().min(MAX_DATA)).rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0)];
    let mut types = Vec::new();
    for (at, key) in json.match_indices("\"@type\"") {
        let value = json[at + key.len()..].trim_start().trim_start_matches(':').trim_start();
        let end = value.find(if value.starts_with('[') { ']' } else { ',' }).unwrap_or(value.len()).min(200);
        let value = value.get(..end).unwrap_or_default();
        types.extend(value.split('"').skip(1).step_by(2).map(schema_name));
        if types.len() > 500 {
            break;
        }
    }
    types
}

/// Returns the name of a type without its vocabulary: `https://schema.org/Product` is `product`.
fn schema_name(address: &str) -> String {
    address.trim().rsplit(['/', ':', '#']).next().unwrap_or_default().to_ascii_lowercase().chars().take(60).collect()
}
