//! The headline of a page, weighed from its headings, its meta tags, its structured data and its title.

use super::page::Page;
use super::people::{is_label, is_unspaced};
use super::visible::Heading;
use crate::article::{clean_line, fold};
use crate::extract::provenance::Source;

const HEADLINE_CHARS: usize = 500;
/// Headings of the second level that are searched for the headline: behind those, other articles follow.
const SECOND_LEVEL: usize = 4;
/// Names of meta tags for the headline.
const TAGS: [&str; 5] = ["headline", "title", "dc.title", "parsely-title", "sailthru.title"];
/// Separators between the headline and the name of the site or a section.
const SEPARATORS: [&str; 22] = [
    " | ", " - ", " – ", " — ", " · ", " • ", " :: ", " » ", " « ", " / ", " : ", " < ", " > ", " ‹ ", " › ", " ~ ",
    "｜", "丨", "ㅣ", "│", "_", "：",
];

/// A headline as the page states it for machines.
struct Stated {
    /// The text without the name of the site.
    text: String,
    source: Source,
}

/// Names of the site.
pub(super) struct Site<'a> {
    pub(super) publisher: &'a str,
    pub(super) host: &'a str,
}

/// Returns the headline, and the sources that state it: a heading that another source confirms; otherwise the first of
/// the other sources.
pub(super) fn headline(page: &Page, structured: &str, site: &Site<'_>) -> (String, Vec<Source>) {
    let headings = &page.visible.headings;
    let stated: Vec<Stated> = [
        (page.tag(&["og:title"]), Source::MetaTag),
        (structured.to_owned(), Source::StructuredData),
        (page.tag(&["twitter:title"]), Source::MetaTag),
        (page.tag(&TAGS), Source::MetaTag),
        (page.title.clone(), Source::PageTitle),
    ]
    .into_iter()
    .map(|(text, source)| {
        // Texts are compared word by word.
        let text: String = clean_line(&text).chars().take(HEADLINE_CHARS * 2).collect();
        Stated { text: site.without_site(&text), source }
    })
    .filter(|stated| !stated.text.is_empty() && !site.is_name(&stated.text))
    .filter(|stated| !(stated.is_precise() && ends_title(&page.title, &stated.text)))
    .collect();
    let chosen = confirmed(headings, &stated)
        .or_else(|| alike_heading(headings, &stated, site))
        .or_else(|| shortest(&stated))
        .or_else(|| headings.iter().map(|heading| heading.headline.clone()).find(|text| !site.is_name(text)))
        .unwrap_or_else(|| clean_line(&page.title));
    let chosen = chosen.trim_start_matches(|c: char| is_icon(c) || c == ' ');
    let mut sources: Vec<Source> = stated.iter().filter(|it| alike(&it.text, chosen)).map(|it| it.source).collect();
    let is_shown =
        |heading: &Heading| [&heading.text, &heading.headline].into_iter().any(|it| plain(it) == plain(chosen));
    sources.extend(headings.iter().any(is_shown).then_some(Source::PageText));
    sources.sort_unstable();
    sources.dedup();
    (chosen.chars().take(HEADLINE_CHARS).collect(), sources)
}

/// Returns true for arrows, triangles and other signs that stand for a video or a gallery.
fn is_icon(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21FF}' | '\u{23E9}'..='\u{23FA}' | '\u{25A0}'..='\u{25FF}' | '\u{FE0F}')
}

/// Returns true if a title ends in a text behind a separator: the name of the site, which a page may state as its own
/// title for machines.
fn ends_title(title: &str, text: &str) -> bool {
    let title = clean_line(title);
    let head = title.strip_suffix(text).filter(|head| head.chars().count() > text.chars().count() + 8);
    text.split(' ').count() <= 4 && head.is_some_and(|head| SEPARATORS.iter().any(|bar| head.ends_with(bar)))
}

/// Returns the headline that a heading and a precise source state in the same words. Pages with a headline for search
/// engines in a heading of the first level have the printed one in a heading of the second.
fn confirmed(headings: &[Heading], stated: &[Stated]) -> Option<String> {
    let second = headings.iter().filter(|heading| heading.level == 2).take(SECOND_LEVEL);
    let first = headings.iter().filter(|heading| heading.level == 1);
    let precise: Vec<&Stated> = stated.iter().filter(|stated| stated.is_precise()).collect();
    for heading in second.chain(first) {
        if heading.level == 2 && words(&heading.headline).len() < 3 && !heading.headline.chars().any(is_unspaced) {
            continue;
        }
        let whole = words(&heading.text);
        if heading.pieces == 1 && precise.iter().any(|stated| words(&stated.text) == whole) {
            return Some(heading.text.clone());
        }
        if let Some(confirmed) = precise.iter().find_map(|stated| stated.confirms(heading)) {
            return Some(confirmed);
        }
    }
    None
}

/// Returns the first source, or another one that it begins with: `Headline-Section` and `Headline`.
fn shortest(stated: &[Stated]) -> Option<String> {
    let first = stated.first()?;
    let begins = |other: &&Stated| first.text.starts_with(&other.text) && other.text.chars().count() >= 12;
    let shorter = stated.iter().filter(begins).min_by_key(|other| other.text.len());
    Some(shorter.unwrap_or(first).text.clone())
}

impl Stated {
    /// Returns false for the page's title, which often has more than the headline.
    fn is_precise(&self) -> bool {
        self.source != Source::PageTitle
    }

    /// Returns the headline if a heading has the same words, with or without a label before it and a number behind it.
    fn confirms(&self, heading: &Heading) -> Option<String> {
        let (whole, stated) = (words(&heading.text), words(&self.text));
        if stated == whole {
            // The source has punctuation between the label and the headline.
            return Some(if heading.pieces > 1 { self.text.clone() } else { heading.text.clone() });
        }
        if stated == words(&heading.headline) {
            return Some(heading.headline.clone());
        }
        // Words of two elements of the heading run together.
        let is_glued = plain(&heading.text) == plain(&self.text);
        // `Opinion` in a separate element, before the headline; a number of comments behind it.
        let is_longer = stated.len() >= 3 && whole.len() > stated.len() && whole.len() <= stated.len() + 4;
        let is_part = is_longer && (whole.ends_with(&stated) || heading.pieces > 1 && whole.starts_with(&stated));
        (is_glued || is_part).then(|| self.text.clone())
    }
}

/// Returns the first heading of the first level that resembles another source, or the first of the second level that
/// begins one.
fn alike_heading(headings: &[Heading], stated: &[Stated], site: &Site<'_>) -> Option<String> {
    let is_long = |text: &str| text.split(' ').count() >= 3 || text.chars().filter(|c| is_unspaced(*c)).count() >= 4;
    let begins = |heading: &&Heading| {
        stated.iter().any(|stated| {
            let rest = stated.text.strip_prefix(heading.headline.as_str());
            rest.is_some_and(|rest| rest.is_empty() || SEPARATORS.iter().any(|bar| rest.starts_with(bar.trim_end())))
        })
    };
    let is_headline = |heading: &&Heading| !site.is_name(&heading.headline);
    let first = || headings.iter().filter(|heading| heading.level == 1).filter(is_headline);
    let second = || headings.iter().filter(|heading| heading.level == 2).filter(is_headline).take(SECOND_LEVEL);
    let is_like = |heading: &&Heading| stated.iter().any(|stated| alike(&heading.headline, &stated.text));
    let found = first()
        .find(|heading| is_long(&heading.headline) && begins(heading))
        .or_else(|| first().find(|heading| is_long(&heading.headline) && is_like(heading)))
        .or_else(|| first().find(begins))
        .or_else(|| second().find(|heading| is_long(&heading.headline) && begins(heading)))
        .or_else(|| Some(first().next()?).filter(|heading| is_long(&heading.headline) && first().count() == 1));
    found.map(|heading| {
        let headline = site.without_name(&heading.headline);
        // A label in a separate element, which the other sources do not have: `HarbourChannel to be dredged`.
        let unlabelled = stated.iter().map(|stated| &stated.text).find(|text| {
            let label = headline.strip_suffix(text.as_str()).filter(|label| !label.is_empty());
            let is_glued = label.is_some_and(|label| label.ends_with(char::is_alphanumeric));
            is_long(text) && label.is_some_and(|label| label.len() < text.len()) && (is_glued || heading.pieces > 1)
        });
        unlabelled.cloned().unwrap_or(headline)
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(fold).collect()
}

/// Returns true if most words are the same.
fn alike(one: &str, other: &str) -> bool {
    if one.chars().any(is_unspaced) && (other.starts_with(one) || one.starts_with(other)) {
        return true;
    }
    let (one, other) = (words(one), words(other));
    let common = one.iter().filter(|word| other.contains(word)).count();
    common > 0 && common * 10 >= one.len().min(other.len()) * 6
}

impl Site<'_> {
    /// Returns true if a text is the name of the site.
    fn is_name(&self, text: &str) -> bool {
        let name = plain(text);
        !name.is_empty() && (name == plain(self.publisher) || name == plain(self.host))
    }

    /// Returns true if a text names the site, alone or with a few words: the publisher, or a part of the host.
    fn names(&self, text: &str) -> bool {
        let (name, publisher, host) = (plain(text), plain(self.publisher), plain(self.host));
        let is_ascii = name.is_ascii();
        name.chars().count() >= 2
            && (publisher.contains(&name)
                || (!publisher.is_empty() && name.contains(&publisher))
                || (is_ascii && host.contains(&name))
                || (name.len() > 3 && self.host.split('.').any(|part| part.len() > 3 && name.contains(part))))
    }

    /// Removes ` | Site` from a heading's end, if it names the site.
    fn without_name(&self, heading: &str) -> String {
        match last_separator(heading) {
            Some((at, bar)) if bar != " : " && self.names(&heading[at + bar.len()..]) && at > 0 => {
                heading[..at].to_owned()
            }
            _ => heading.to_owned(),
        }
    }

    /// Returns true for the name of the site before a headline: `Site Letter #18` is more than that.
    fn is_site_start(&self, text: &str) -> bool {
        !text.contains(|c: char| c.is_ascii_digit()) && self.names(text)
    }

    /// Removes ` | Site` from a title's end, and `Site | ` or `Site: ` from its start.
    fn without_site(&self, title: &str) -> String {
        let mut title = title.to_owned();
        // `Headline (Site)`
        let bracketed = title.strip_suffix(')').and_then(|title| title.rsplit_once(" ("));
        let bracketed = bracketed.or_else(|| title.strip_suffix('）').and_then(|title| title.rsplit_once('（')));
        if let Some((head, _)) = bracketed.filter(|(_, name)| self.is_site_start(name)) {
            title = head.to_owned();
        }
        // `Headline, Site`
        if let Some((head, name)) = title.rsplit_once(", ")
            && self.is_name(name)
            && head.split(' ').count() >= 3
        {
            title = head.to_owned();
        }
        if title.chars().any(is_unspaced) {
            title = self.without_tight_parts(title);
        }
        for _ in 0..3 {
            let Some((at, bar)) = last_separator(&title) else { break };
            let (head, tail) = (&title[..at], &title[at + bar.len()..]);
            let is_cjk = head.chars().any(is_unspaced);
            let is_long = |text: &str, words: usize| text.split(' ').count() >= words || is_cjk;
            let is_bar = matches!(bar, " | " | " :: " | " < " | " > " | "_" | "｜" | "丨" | "ㅣ" | "│");
            // `Headline « Site`
            let is_site_mark = bar == " « ";
            let is_shorter = tail.chars().count() < head.chars().count() && is_long(head, 3);
            let short = tail.split(' ').count() <= 5 && (is_site_mark || is_bar && is_shorter);
            if !(self.names(tail) || short || is_label(tail)) || !(is_long(head, 2) || is_site_mark) {
                break;
            }
            title.truncate(at);
        }
        // `-정치`: a section between the headline and the site.
        for _ in 0..3 {
            let first = SEPARATORS.iter().chain([&": "]).filter_map(|bar| title.find(bar).map(|at| (at, bar)));
            let Some((at, bar)) = first.min_by_key(|(at, _)| *at) else { break };
            let tail = &title[at + bar.len()..];
            let is_headline = tail.split(' ').count() >= 2 || tail.chars().any(is_unspaced);
            // A name may open a headline: only the publisher's whole name is cut before a colon.
            let is_site = if bar.trim() == ":" || *bar == "：" {
                self.is_name(&title[..at])
            } else {
                self.is_site_start(&title[..at]) || is_label(&title[..at])
            };
            if !is_site || !is_headline {
                break;
            }
            title = title.split_off(at + bar.len());
            // `Site » Blog Archive » Headline`
            if *bar == " » "
                && let Some(last) = title.rfind(" » ")
            {
                title = title.split_off(last + " » ".len());
            }
        }
        title.trim().to_owned()
    }
}

impl Site<'_> {
    /// Removes the parts behind separators without spaces, which titles in scripts without spaces have:
    /// `标题--栏目--网站`, `标题-网站`, `标题|话题|话题`.
    fn without_tight_parts(&self, title: String) -> String {
        let mut title = title;
        for _ in 0..4 {
            let cut = ["--", "-", "－", "|"].iter().find_map(|bar| {
                let (head, tail) = title.rsplit_once(bar)?;
                let is_tight = !head.ends_with(' ') && !tail.starts_with(' ') && head.chars().any(is_unspaced);
                let is_short = tail.chars().count() <= 12 && tail.chars().count() < head.chars().count();
                let is_part = is_short && *bar != "-" && *bar != "－" || self.names(tail);
                (is_tight && is_part).then(|| head.trim_end_matches('-').to_owned())
            });
            match cut {
                Some(head) => title = head,
                None => break,
            }
        }
        title
    }
}

/// Returns the last separator of a title, with its position.
fn last_separator(title: &str) -> Option<(usize, &'static str)> {
    SEPARATORS.iter().filter_map(|bar| title.rfind(bar).map(|at| (at, *bar))).max_by_key(|(at, _)| *at)
}

fn plain(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_cut_from_titles() {
        let site = Site { publisher: "Ellery Herald", host: "herald.example" };
        for (title, headline) in [
            ("Channel to be dredged | Ellery Herald", "Channel to be dredged"),
            ("Channel to be dredged - Harbour - Ellery Herald", "Channel to be dredged - Harbour"),
            ("Ellery Herald | Channel to be dredged", "Channel to be dredged"),
            ("Ellery Herald - Channel to be dredged", "Channel to be dredged"),
            ("Ellery Herald: Channel to be dredged", "Channel to be dredged"),
            ("Ellery Herald » Blog Archive » Channel to be dredged", "Channel to be dredged"),
            ("Thin ice. « Notes from the Quay", "Thin ice."),
            ("Channel to be dredged (Ellery Herald)", "Channel to be dredged"),
            ("Channel to be dredged, Ellery Herald", "Channel to be dredged"),
            ("Channel to be dredged ~ Ellery Herald", "Channel to be dredged"),
            ("Quill - the mayor who dredged - dies at 80", "Quill - the mayor who dredged - dies at 80"),
            ("Herald of spring: the first ferry", "Herald of spring: the first ferry"),
        ] {
            assert_eq!(site.without_site(title), headline, "{title}");
        }
        let site = Site { publisher: "埃勒里先驱报", host: "" };
        assert_eq!(site.without_site("北部航道将在冬季前疏浚--时政--埃勒里先驱报"), "北部航道将在冬季前疏浚");
        assert_eq!(site.without_site("北部航道将在冬季前疏浚-埃勒里先驱报"), "北部航道将在冬季前疏浚");
        assert_eq!(site.without_site("北部航道（埃勒里先驱报）"), "北部航道");
        assert_eq!(site.without_site("北部航道将在冬季前疏浚_港口新闻_埃勒里先驱报"), "北部航道将在冬季前疏浚");
    }
}
