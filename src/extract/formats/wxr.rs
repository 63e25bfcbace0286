//! WordPress export (WXR): its posts, with their status.

use std::collections::HashMap;

use url::Url;

use super::wire::{self, Item};
use super::xml::Element;
use crate::article::canonical_url;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Extraction, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::report::{Method, Report};

/// Types of posts that are no articles.
const NO_POSTS: [&str; 9] = [
    "attachment",
    "nav_menu_item",
    "revision",
    "custom_css",
    "customize_changeset",
    "oembed_cache",
    "user_request",
    "wp_block",
    "wp_template",
];

/// The site: names of authors by login, and addresses of attachments by ID.
struct Site {
    title: String,
    language: String,
    authors: HashMap<String, String>,
    attachments: HashMap<String, String>,
}

impl Site {
    fn read(channel: Element<'_, '_>) -> Self {
        let authors = channel.all("author").map(|it| (it.text_of("author_login"), it.text_of("author_display_name")));
        let attachments = channel.all("item").map(|it| (it.text_of("post_id"), it.text_of("attachment_url")));
        Self {
            title: channel.text_of("title"),
            language: channel.text_of("language"),
            authors: authors.filter(|(_, name)| !name.is_empty()).collect(),
            attachments: attachments.filter(|(_, url)| !url.is_empty()).collect(),
        }
    }
}

/// Extracts the posts of an export. Each one has its own result.
pub(super) fn extract(
    text: &str,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    let tree = wire::tree(text, budget)?;
    let channel = tree.root().and_then(|root| root.child("channel")).ok_or(ExtractError::EmptyFeed)?;
    let is_post = |item: &Element<'_, '_>| !NO_POSTS.contains(&item.text_of("post_type").as_str());
    let posts: Vec<Element<'_, '_>> = channel.all("item").filter(is_post).collect();
    if posts.len() > budget.limits.max_entries {
        return Err(ExtractError::TooManyEntries { limit: budget.limits.max_entries });
    }
    let site = Site::read(channel);
    // Hints are of the export, not of its posts.
    let hints = Hints { headline: None, publish_time: None, ..*hints };
    wire::entries(posts.into_iter().map(|post| read(post, &site, report, budget)), &hints, budget).map(Extraction::Feed)
}

fn read(
    post: Element<'_, '_>,
    site: &Site,
    report: &Report,
    budget: &Budget<'_>,
) -> (String, Result<Item, ExtractError>) {
    let mut out = Item::new("a WordPress export", report);
    out.report.method = Method::SyndicationFeed;
    out.set_id(&post.text_of("guid"));
    let id = out.draft.external_id.clone().unwrap_or_default();
    let result = read_post(post, site, &mut out, budget).map(|()| out);
    (id, result)
}

fn read_post(post: Element<'_, '_>, site: &Site, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let status = post.text_of("status");
    let published = gmt(&post.text_of("post_date_gmt"));
    match status.as_str() {
        "" | "publish" => {}
        "future" => out.set_embargo("post_date_gmt", &published)?,
        other => out.not_a_story = Some(format!("a post with the status {other:?}")),
    }
    if !post.text_of("post_password").is_empty() {
        out.not_a_story = Some("a post with a password".to_owned());
    }
    out.draft.headline = post.text_of("title");
    out.draft.url = canonical_url(&post.text_of("link")).ok();
    out.draft.publisher.clone_from(&site.title);
    out.language.clone_from(&site.language);
    out.set_published(&published);
    out.set_published(&post.text_of("pubDate"));
    out.set_version_time(&gmt(&post.text_of("post_modified_gmt")));
    for login in post.all("creator").map(Element::text) {
        let Some(name) = site.authors.get(&login).or(Some(&login).filter(|it| it.contains(' '))) else { continue };
        out.set_byline(name);
        byline::split(name, &[]).into_iter().for_each(|name| byline::push(&mut out.draft.authors, name));
    }
    for category in post.all("category") {
        match category.attribute("domain").as_str() {
            "category" if out.draft.section.is_empty() => out.draft.section = category.text(),
            "post_format" => {}
            _ => out.add_tag(&category.text()),
        }
    }
    let encoded = |name: &str| post.children().find(|inner| inner.prefixed_name() == name);
    let base = out.draft.url.as_deref().and_then(|url| Url::parse(url).ok());
    if let Some(body) = encoded("content:encoded") {
        let markup = without_shortcodes(&body.raw_text());
        budget.read(markup.len())?;
        out.read_html(&markup, base.as_ref(), budget)?;
    }
    let excerpt = encoded("excerpt:encoded").map(Element::text).unwrap_or_default();
    out.draft.subheadline = excerpt;
    let meta = post.all("postmeta").find(|meta| meta.text_of("meta_key") == "_thumbnail_id");
    if let Some(url) = meta.and_then(|meta| site.attachments.get(&meta.text_of("meta_value"))) {
        out.add_media(wire::media(MediaKind::Image, url, "", ""));
    }
    Ok(())
}

/// Returns a time that WordPress states in GMT, without saying so; empty if it is not set.
fn gmt(time: &str) -> String {
    if time.is_empty() || time.starts_with("0000") { String::new() } else { format!("{}Z", time.replace(' ', "T")) }
}

/// Shortcodes of WordPress whose contents are no text.
const MEDIA_CODES: [&str; 5] = ["embed", "audio", "video", "gallery", "playlist"];

/// Removes the shortcodes of WordPress itself. A caption is that of a figure.
fn without_shortcodes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let name_end = after.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(after.len());
        let name = &after[..name_end];
        let known = MEDIA_CODES.contains(&name) || matches!(name, "caption" | "wp_caption");
        if !known {
            out.push('[');
            rest = after;
            continue;
        }
        let Some(end) = after.find(']') else {
            // No code ends from here on.
            rest = &rest[before.len()..];
            break;
        };
        let contents = &after[end + 1..];
        let is_caption = name.ends_with("caption");
        // A code without an end has no contents. The next code of any kind ends the search.
        let close = contents.find('[').filter(|at| contents[*at + 1..].starts_with(&format!("/{name}]")));
        rest = contents;
        if let Some(close) = close {
            if is_caption {
                push_figure(&contents[..close], &mut out);
            }
            rest = &contents[close + name.len() + 3..];
        }
    }
    out.push_str(rest);
    out
}

/// Writes an image and its caption as a figure.
fn push_figure(contents: &str, out: &mut String) {
    let (image, caption) = contents.split_at(contents.rfind('>').map_or(0, |at| at + 1));
    out.push_str("<figure>");
    out.push_str(image);
    out.push_str("<figcaption>");
    out.push_str(caption);
    out.push_str("</figcaption></figure>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    fn post(id: u32, kind: &str, status: &str, body: &str) -> String {
        format!(
            "<item><title>Channel &amp; harbour</title><link>https://herald.example/{id}</link>\
             <dc:creator>iquill</dc:creator><guid>https://herald.example/?p={id}</guid>\
             <content:encoded><![CDATA[{body}]]></content:encoded><excerpt:encoded>In short</excerpt:encoded>\
             <wp:post_id>{id}</wp:post_id><wp:post_date_gmt>2026-11-02 08:00:00</wp:post_date_gmt>\
             <wp:post_type>{kind}</wp:post_type><wp:status>{status}</wp:status>\
             <category domain='category'>News</category><category domain='post_tag'>ferries</category></item>"
        )
    }

    fn results(posts: &str) -> Vec<Result<crate::extract::draft::Draft, String>> {
        let export = format!(
            "<rss xmlns:wp='http://wordpress.org/export/1.2/'><channel><title>The Ellery Herald</title>\
             <wp:author><wp:author_login>iquill</wp:author_login><wp:author_display_name>Ida Quill\
             </wp:author_display_name></wp:author>{posts}</channel></rss>"
        );
        let limits = Limits::default();
        match extract(&export, &Hints::default(), &Report::default(), &Budget::unattended(&limits)) {
            Ok(Extraction::Feed(entries)) => {
                entries.into_iter().map(|it| it.result.map(|it| it.draft).map_err(|it| it.to_string())).collect()
            }
            Ok(Extraction::Article(_)) => panic!("not a feed"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn published_posts_are_articles() {
        let body = "The board agreed [sic].\n\n[caption id='1']<img src='https://herald.example/a.jpg'/> \
             A ferry[/caption]\n\n\
            [gallery ids='1,2']It will cost more.";
        let found = results(&(post(1, "post", "publish", body) + &post(2, "attachment", "inherit", "x")));
        assert_eq!(found.len(), 1);
        let draft = found.into_iter().next().unwrap().unwrap();
        assert_eq!(draft.body, "The board agreed [sic].\n\nIt will cost more.");
        assert_eq!((draft.headline.as_str(), draft.subheadline.as_str()), ("Channel & harbour", "In short"));
        assert_eq!((draft.authors, draft.publisher.as_str()), (vec!["Ida Quill".into()], "The Ellery Herald"));
        assert_eq!((draft.section.as_str(), draft.tags), ("News", vec!["ferries".to_owned()]));
        assert_eq!(draft.publish_time.map(|it| it.time.to_string()), Some("2026-11-02T08:00:00Z".into()));
        assert_eq!(draft.media.iter().map(|it| it.caption.as_str()).collect::<Vec<_>>(), ["A ferry"]);
    }

    #[test]
    fn the_status_of_posts_is_obeyed() {
        let posts =
            post(1, "post", "draft", "x") + &post(2, "post", "trash", "x") + &post(3, "post", "future", "Later.");
        let found = results(&posts);
        let refusal = |status| Err(format!("must be an item with a text; this is a post with the status {status:?}"));
        assert_eq!((&found[0], &found[1]), (&refusal("draft"), &refusal("trash")));
        let embargo = found[2].as_ref().ok().and_then(|it| it.wire.embargo).map(|it| it.to_string());
        assert_eq!(embargo, Some("2026-11-02T08:00:00Z".into()));
    }

    #[test]
    fn shortcodes_without_an_end_stay() {
        let open = "[gallery".repeat(200_000);
        assert_eq!(without_shortcodes(&open), open);
        assert_eq!(without_shortcodes("[embed]https://x.example[/embed]a [b] [video src='x']c"), "a [b] c");
    }
}
