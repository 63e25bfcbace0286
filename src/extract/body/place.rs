//! Places of text blocks in a page: the elements around them, by tags and by words of their classes.

use std::collections::HashMap;

use dom_query::NodeRef;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::class_words::{self, CAPTION, GROUPS};

/// Levels above which a class word is out of reach.
pub(super) const FAR: u8 = 40;

/// Tags and attributes of the elements around a block, as bits.
pub(super) const TAGS: [&str; 20] = [
    "article",
    "main",
    "aside",
    "nav",
    "footer",
    "header",
    "form",
    "figure",
    "li",
    "table",
    "section",
    "p",
    "div",
    "dl",
    "figcaption",
    "button",
    "blockquote",
    "address",
    "details",
    "heading",
];
/// Bit of an article.
pub(super) const IN_ARTICLE: u32 = 1;
/// Bit of the main part of a page.
pub(super) const IN_MAIN: u32 = 1 << 1;
/// Bits of menus: nav and footer.
pub(super) const IN_MENU: u32 = 1 << 3 | 1 << 4;
/// Bit of a caption.
pub(super) const IN_CAPTION: u32 = 1 << 14;
/// Bit of a button.
pub(super) const IN_BUTTON: u32 = 1 << 15;
/// Bit of a quotation.
pub(super) const IN_QUOTE: u32 = 1 << 16;
/// Bit of an element that browsers hide.
pub(super) const HIDDEN: u32 = 1 << 20;
/// Bit of an element marked as the text of an article.
pub(super) const MARKED_BODY: u32 = 1 << 21;
/// Bit of an element marked as an article, in microdata.
pub(super) const MARKED_ITEM: u32 = 1 << 22;
/// Bit of a complementary part, by its role.
pub(super) const COMPLEMENTARY: u32 = 1 << 23;
/// Number of bits.
pub(super) const BITS: usize = 24;

/// Bit of a line that starts in small or slanted print.
pub(super) const SMALL: u32 = 1 << 31;

/// A block-level element of a page.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    /// Index of the parent. The body is its own.
    pub(super) parent: u32,
    pub(super) depth: u16,
    /// Bit of the element's tag.
    pub(super) own: u32,
    /// Bits of its tag and attributes, and of those around it.
    pub(super) around: u32,
    /// Levels up to the nearest element with a word of each group.
    pub(super) words: [u8; GROUPS],
    /// Hash of the tags and classes from the body to it.
    pub(super) path: u64,
}

/// Place of a block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// Index of its container.
    pub(super) container: u32,
    /// Index of the container around that.
    pub(super) parent: u32,
    /// Groups of the class words of the inline element that it starts with; [`SMALL`] for small or slanted print.
    pub(super) inline: u32,
}

impl Container {
    /// Returns true if it, or the element around it, has a class for captions.
    pub(super) fn is_caption(&self) -> bool {
        self.around & IN_CAPTION != 0 || self.words[CAPTION] <= 1
    }
}

/// The containers of a page, filled while it is walked.
pub(crate) struct Places {
    containers: Vec<Container>,
    /// Index of the current container.
    current: u32,
    inline: u32,
    known: HashMap<String, u32>,
}

impl Places {
    pub(crate) fn new() -> Self {
        let body = Container { parent: 0, depth: 0, own: 0, around: 0, words: [FAR; GROUPS], path: 0 };
        Self { containers: vec![body], current: 0, inline: 0, known: HashMap::new() }
    }

    pub(crate) fn into_containers(self) -> Vec<Container> {
        self.containers
    }

    /// Returns the place of a line that ends here.
    pub(crate) fn here(&self) -> Place {
        let parent = self.containers[self.current as usize].parent;
        Place { container: self.current, parent, inline: self.inline }
    }

    /// Enters an element. Returns the one that was entered before it, for [`Places::leave`].
    pub(crate) fn enter(&mut self, node: &NodeRef<'_>, name: &str) -> u32 {
        let outer = self.current;
        let class = node.attr("class").unwrap_or_default();
        let id = node.attr("id").unwrap_or_default();
        let found = self.groups(&class) | self.groups(&id);
        let own = tag(name);
        let parent = &self.containers[outer as usize];
        let mut words = parent.words;
        for (group, levels) in words.iter_mut().enumerate() {
            *levels = if found & (1 << group) != 0 { 0 } else { levels.saturating_add(1).min(FAR) };
        }
        let around = parent.around | own | marks(node, &id);
        let depth = parent.depth.saturating_add(1);
        let path = xxh3_64_with_seed(class.as_bytes(), xxh3_64_with_seed(name.as_bytes(), parent.path));
        let container = Container { parent: outer, depth, own, around, words, path };
        // There are fewer elements than 2³²: the parser limits them.
        self.current = self.containers.len() as u32;
        self.containers.push(container);
        outer
    }

    pub(crate) fn leave(&mut self, outer: u32) {
        self.current = outer;
    }

    /// Notes the classes of an inline element that a line starts with.
    pub(crate) fn inline(&mut self, node: &NodeRef<'_>) {
        if node.node_name().is_some_and(|name| matches!(&*name, "small" | "em" | "i")) {
            self.inline |= SMALL;
        }
        if let Some(class) = node.attr("class") {
            self.inline |= self.groups(&class);
        }
    }

    pub(crate) fn end_line(&mut self) {
        self.inline = 0;
    }

    fn groups(&mut self, names: &str) -> u32 {
        if names.is_empty() {
            return 0;
        }
        if let Some(groups) = self.known.get(names) {
            return *groups;
        }
        let groups = class_words::groups(names);
        self.known.insert(names.to_owned(), groups);
        groups
    }
}

fn tag(name: &str) -> u32 {
    let name = match name {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => "heading",
        "dd" | "dt" => "dl",
        "td" | "th" | "tr" => "table",
        other => other,
    };
    TAGS.iter().position(|tag| *tag == name).map_or(0, |at| 1 << at)
}

/// Returns the bits of an element's attributes.
fn marks(node: &NodeRef<'_>, id: &str) -> u32 {
    let mut bits = 0;
    let is_hidden = node.attr("style").is_some_and(|style| {
        let style = style.to_ascii_lowercase();
        style.contains("display:none") || style.contains("display: none") || style.contains("visibility:hidden")
    });
    // React streams content in hidden elements, which a script puts in place.
    if is_hidden || (node.has_attr("hidden") && !id.starts_with("S:")) {
        bits |= HIDDEN;
    }
    if let Some(item) = node.attr("itemprop")
        && ["articleBody", "reviewBody", "text", "articlebody"].contains(&&*item)
    {
        bits |= MARKED_BODY;
    }
    if node.attr("itemtype").is_some_and(|kind| kind.ends_with("Article") || kind.ends_with("BlogPosting")) {
        bits |= MARKED_ITEM;
    }
    match node.attr("role").as_deref() {
        Some("complementary" | "navigation" | "banner" | "contentinfo" | "dialog" | "alertdialog") => {
            bits |= COMPLEMENTARY;
        }
        Some("article" | "main") => bits |= MARKED_ITEM,
        _ => {}
    }
    bits
}
