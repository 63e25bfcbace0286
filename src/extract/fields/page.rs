//! A page's own statements about itself: meta tags, links, titles, times and bylines.

use dom_query::{Document, NodeRef};

use super::jsonld;
use super::visible::Visible;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::node_text::node_text;

/// Maximum number of addresses of other editions.
const MAX_ALTERNATES: usize = 8;
/// Maximum number of meta tags, and of scripts with structured data.
const MAX_TAGS: usize = 500;
const MAX_SCRIPTS: usize = 50;

/// Metadata collected from a page in few passes.
#[derive(Default)]
pub(super) struct Page {
    pub(super) tags: Vec<(String, String)>,
    pub(super) scripts: Vec<String>,
    pub(super) title: String,
    pub(super) canonical: String,
    /// Address of the licence.
    pub(super) license: String,
    /// Addresses of other editions of the page, in the same language.
    pub(super) alternates: Vec<String>,
    pub(super) language: String,
    /// Headings and bylines.
    pub(super) visible: Visible,
}

impl Page {
    pub(super) fn gather(document: &Document, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let text = |node: &NodeRef<'_>| {
            let text = node_text(node, budget)?;
            Ok::<_, ExtractError>(jsonld::clipped(&text).to_owned())
        };
        let mut page = Self::default();
        let (mut metas, mut license, mut title) = (Vec::new(), None, None);
        let mut links = Vec::new();
        // One pass: a selector of each kind takes one each.
        for node in document.root().descendants_it() {
            budget.step()?;
            let Some(name) = node.node_name() else { continue };
            match &*name {
                "meta" if metas.len() < MAX_TAGS => metas.push(node),
                "script" if page.scripts.len() < MAX_SCRIPTS && is_json_ld(&node) => {
                    page.scripts.push(node.text().to_string());
                }
                "title" if title.is_none() => title = Some(node),
                "html" if page.language.is_empty() => page.language = node.attr_or("lang", "").to_string(),
                "link" if node.has_attr("rel") => links.push(node),
                _ => {}
            }
            if license.is_none()
                && matches!(&*name, "a" | "link")
                && relations(&node).iter().any(|rel| rel == "license")
            {
                license = Some(node.attr_or("href", "").to_string());
            }
        }
        for node in metas {
            let Some(content) = ["content", "value", "datetime"].into_iter().find_map(|name| node.attr(name)) else {
                continue;
            };
            let content = jsonld::unescape(jsonld::clipped(&content), budget)?;
            // One tag may have several names: `name` and `property`.
            let mut names: Vec<String> = Vec::new();
            for name in ["property", "name", "itemprop", "http-equiv"].into_iter().filter_map(|name| node.attr(name)) {
                let name = name.trim().to_ascii_lowercase();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            if names.iter().any(|name| name == "parsely-page") {
                page.tags.extend(json_tags(&content));
            }
            page.tags.extend(names.into_iter().map(|name| (name, content.clone())));
        }
        page.title = title.as_ref().map(&text).transpose()?.unwrap_or_default();
        if ["&amp;", "&quot;", "&#"].iter().any(|entity| page.title.contains(entity)) {
            page.title = jsonld::unescape(&page.title, budget)?;
        }
        page.visible = Visible::read(document, budget)?;
        page.canonical = canonical(&links);
        page.license = license.unwrap_or_default();
        let is_edition = |node: &&NodeRef<'_>| match node.attr_or("rel", "").to_ascii_lowercase().as_str() {
            "amphtml" | "shortlink" => true,
            "alternate" => node.has_attr("media"),
            _ => false,
        };
        for node in links.iter().filter(is_edition).take(MAX_ALTERNATES) {
            // Translations are other articles.
            if !node.has_attr("hreflang") && !node.has_attr("type") {
                page.alternates.extend(node.attr("href").map(|href| href.to_string()));
            }
        }
        Ok(page)
    }

    /// Returns the first of these tags that is not empty.
    pub(super) fn tag(&self, names: &[&str]) -> String {
        names
            .iter()
            .find_map(|name| self.tags.iter().find(|(tag, text)| tag == name && !text.trim().is_empty()))
            .map(|(_, text)| text.clone())
            .unwrap_or_default()
    }
}

/// Returns the tags within a tag whose content is a JSON object: `{"title": …, "author": …, "pub_date": …}`.
fn json_tags(content: &str) -> Vec<(String, String)> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(content).unwrap_or_default();
    let tag =
        |(name, value): (String, serde_json::Value)| Some((format!("parsely-{name}"), value.as_str()?.to_owned()));
    object.into_iter().filter_map(tag).collect()
}

/// Returns the canonical address that the page states. Of several, the first that is not the front page: a template and
/// a plugin may both state one.
fn canonical(links: &[NodeRef<'_>]) -> String {
    let is_canonical = |node: &&NodeRef<'_>| node.attr_or("rel", "").eq_ignore_ascii_case("canonical");
    let stated = links.iter().filter(is_canonical).take(MAX_ALTERNATES);
    let stated: Vec<_> = stated.filter_map(|node| node.attr("href")).collect();
    let is_page = |address: &str| {
        let path =
            address.split_once("://").map_or(address, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        !path.trim_matches('/').is_empty()
    };
    let chosen = stated.iter().find(|address| is_page(address)).or(stated.first());
    chosen.map(|address| address.to_string()).unwrap_or_default()
}

/// Returns true for a script with JSON-LD.
fn is_json_ld(node: &NodeRef<'_>) -> bool {
    let kind = node.attr("type").unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/ld+json"))
}

/// Returns the relations of a link.
fn relations(node: &NodeRef<'_>) -> Vec<String> {
    let rel = node.attr("rel").unwrap_or_default();
    rel.split_ascii_whitespace().map(str::to_ascii_lowercase).collect()
}
