//! Words of class names and IDs, in groups: `article-body__related-links` belongs to the groups of articles, of their
//! text and of teasers. The words are the usual ones of the web, and name no site.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Number of groups.
pub(super) const GROUPS: usize = 25;
/// Index of the group of captions.
pub(super) const CAPTION: usize = 5;
/// Names of the groups, as features.
pub(super) const GROUP_NAMES: [&str; GROUPS] = [
    "article",
    "text",
    "paragraph",
    "related",
    "share",
    "caption",
    "comment",
    "advertisement",
    "subscribe",
    "author",
    "date",
    "topic",
    "navigation",
    "title",
    "lead",
    "dialog",
    "teaser",
    "quote",
    "legal",
    "player",
    "fact",
    "footer",
    "image",
    "live",
    "unlikely",
];
/// Words of each group. A word counts within a longer one (`articlebody`) from four letters on.
const WORDS: [&str; GROUPS] = [
    "article story post entry artikel articulo articolo news noticia nota blogpost hentry single",
    "body content text copy richtext wysiwyg contents texto inhalt contenu cuerpo corpo prose main detail page",
    "paragraph para absatz parrafo block graf textblock paragraf",
    "related more also recommended recommend recommendation recirc readmore further similar relacionada onward \
     crosslink \
     interlink inline seealso readnext next previous upnext linked links",
    "share social follow facebook twitter whatsapp telegram tool toolbar action sharing sns button btn icon",
    "caption credit photo copyright figcaption legend bildunterschrift photographer source courtesy attribution",
    "comment disqus respond reply discussion kommentar comentario forum conversation viafoura",
    "ad ads adv advert advertisement sponsor sponsored banner taboola outbrain promo promotion promoted werbung dfp \
     gpt \
     affiliate commerce product partner native promobox publicidad pub",
    "newsletter subscribe subscription signup paywall donate donation register registration login account membership \
     premium support piano meter regwall abo optin join cta email mail form",
    "author byline bio contributor writer autor auteur about profile reporter journalist autore editor user avatar",
    "date time meta timestamp published updated dateline info datum fecha clock",
    "tag topic category keyword breadcrumb label kicker section eyebrow taxonomy thema rubrik subject cat",
    "nav navigation menu header sidebar side rail masthead topbar navbar toc pagination pager search secondary aside \
     drawer hamburger skip",
    "title headline heading head titre titulo subtitle subheadline subhead subheading h1 h2",
    "summary lead intro deck standfirst excerpt description abstract lede teasertext dek chapo entradilla sapo \
     vorspann \
     bajada subtitulo synopsis perex",
    "hidden modal popup cookie consent gdpr overlay dialog lightbox tooltip offcanvas toast alert notice visually sr \
     print screen only",
    "list teaser card item feed trending popular latest grid carousel slider stream collection most top river tile \
     mosaic swiper slide archive headlines recent widget module box",
    "quote pullquote blockquote pull zitat cita highlight callout",
    "legal disclaimer footnote terms rights privacy imprint correction policy note editorial",
    "video player audio embed iframe podcast media youtube tweet instagram listen speech",
    "table infobox fact factbox data stat key timeline glossary ingredient recipe step chart bullet takeaway",
    "footer foot bottom end after colophon sitemap",
    "image picture figure gallery slideshow img thumb thumbnail bild foto imagen",
    "live liveblog ticker update blog event minute",
    "comment disqus respond response replies reply remark community extra footer header menu nav related social \
     sidebar sponsor banner breadcrumb popup modal cookie gdpr pager pagination promo newsletter recirc \
     recommended trending shoutbox rss skyscraper supplemental",
];
/// Minimum length of a word that counts within a longer one, in bytes.
const PART_BYTES: usize = 4;
/// Length of the longest word, in bytes.
const MAX_WORD_BYTES: usize = 16;
/// Maximum length of a class attribute that is read, in bytes.
const MAX_BYTES: usize = 400;

static INDEX: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
    let mut index = HashMap::new();
    for (group, words) in WORDS.iter().enumerate() {
        words.split_whitespace().for_each(|word| *index.entry(word).or_default() |= 1 << group);
    }
    index
});

/// Returns the groups of the words in a class attribute or an ID, as bits.
pub(super) fn groups(names: &str) -> u32 {
    let end = (0..=names.len().min(MAX_BYTES)).rev().find(|at| names.is_char_boundary(*at)).unwrap_or(0);
    let mut found = 0;
    let mut word = String::new();
    let mut after_lower = false;
    for c in names[..end].chars() {
        // A capital after a small letter begins a word: `articleBody`.
        if !c.is_ascii_alphanumeric() || (after_lower && c.is_ascii_uppercase()) {
            found |= groups_of_word(&word);
            word.clear();
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        after_lower = c.is_ascii_lowercase();
    }
    found | groups_of_word(&word)
}

fn groups_of_word(word: &str) -> u32 {
    let singular = word.strip_suffix('s').unwrap_or(word);
    if let Some(groups) = INDEX.get(word).or_else(|| INDEX.get(singular)) {
        return *groups;
    }
    let mut found = 0;
    for at in PART_BYTES..word.len() {
        if at <= MAX_WORD_BYTES {
            found |= INDEX.get(&word[..at]).copied().unwrap_or(0);
        }
        if (PART_BYTES..=MAX_WORD_BYTES).contains(&(word.len() - at)) {
            found |= INDEX.get(&word[at..]).copied().unwrap_or(0);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_every_way_of_joining_them() {
        let named = |names: &str| -> Vec<&str> {
            let found = groups(names);
            (0..GROUPS).filter(|group| found & (1 << group) != 0).map(|group| GROUP_NAMES[group]).collect()
        };
        for (names, expected) in [
            ("article-body", &["article", "text"][..]),
            ("articleBody", &["article", "text"]),
            ("articlebody", &["article", "text"]),
            ("c-story__related_links", &["article", "related", "unlikely"]),
            ("Comments", &["comment", "unlikely"]),
            ("x9 shadow ädvert", &[]),
            ("", &[]),
        ] {
            assert_eq!(named(names), expected, "{names}");
        }
        assert!(groups(&"ä".repeat(1_000)) == 0);
    }
}
