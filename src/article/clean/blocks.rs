//! The structure of the body.

use super::media::MAX_MEDIA;
use super::{clean_address, clean_optional_address, clean_short};
use crate::article::{Violations, clean_line, clean_text, clean_text_parts};
use crate::proto::block::Content;
use crate::proto::{Article, Block, Emphasis, Span, TableBlock, TextBlock, TextKind};

const MAX_EMBEDS: usize = 256;
/// Maximum number of spans of an article.
const MAX_SPANS: usize = 10_000;
const MAX_ROWS: usize = 1_000;
const MAX_CELLS: usize = 64;
const TITLE_CHARS: usize = 1_000;

/// Cleans the blocks. The body and the media have been cleaned.
pub(super) fn clean(article: &mut Article, violations: &mut Violations) {
    let Article { body, blocks, media, .. } = article;
    let paragraphs: Vec<&str> = body.split("\n\n").filter(|paragraph| !paragraph.is_empty()).collect();
    let max = paragraphs.len() + MAX_MEDIA + MAX_EMBEDS;
    if blocks.len() > max {
        violations.add(
            "blocks",
            format!("must be at most {max}: one a paragraph, {MAX_MEDIA} images and {MAX_EMBEDS} embeds"),
        );
        return;
    }
    let before = violations.0.len();
    let mut next = 0;
    let mut spans = 0;
    for (at, block) in blocks.iter_mut().enumerate() {
        let path = format!("blocks[{at}]");
        let paragraph = paragraphs.get(next).copied().unwrap_or_default();
        match &mut block.content {
            None => violations.add(path, "must have one of text, image, table and embed"),
            Some(Content::Text(text)) => {
                spans += text.spans.len();
                clean_text_block(&format!("{path}.text"), text, paragraph, violations);
                next += 1;
            }
            Some(Content::Table(table)) => {
                clean_table(&format!("{path}.table"), table, paragraph, violations);
                next += 1;
            }
            Some(Content::Image(image)) => {
                let field = format!("{path}.image.url");
                clean_address(&field, &mut image.url, violations);
                if !media.iter().any(|media| media.url == image.url) {
                    violations.add(field, "must be the url of an entry of media");
                }
            }
            Some(Content::Embed(embed)) => {
                clean_address(&format!("{path}.embed.url"), &mut embed.url, violations);
                clean_short(&format!("{path}.embed.title"), &mut embed.title, TITLE_CHARS, violations);
            }
        }
    }
    if spans > MAX_SPANS {
        violations.add("blocks", format!("must have at most {MAX_SPANS} spans in all"));
    }
    let paragraphs = paragraphs.len();
    if !blocks.is_empty() && next != paragraphs && violations.0.len() == before {
        violations.add(
            "blocks",
            format!("must have one text or table block for each of the {paragraphs} paragraphs of body, not {next}"),
        );
    }
    if blocks.iter().all(is_ordinary) {
        blocks.clear();
    }
}

/// Returns true if a block says nothing that its paragraph does not.
fn is_ordinary(block: &Block) -> bool {
    matches!(&block.content, Some(Content::Text(text))
        if text.kind() == TextKind::Paragraph && text.spans.is_empty())
}

fn clean_text_block(path: &str, block: &mut TextBlock, paragraph: &str, violations: &mut Violations) {
    match TextKind::try_from(block.kind) {
        Ok(TextKind::Unspecified) | Err(_) => {
            violations.add(format!("{path}.kind"), "must be one of the kinds of text");
        }
        Ok(TextKind::Heading) if !(1..=6).contains(&block.heading_level) => {
            violations.add(format!("{path}.heading_level"), "must be from 1 to 6 for a heading");
        }
        Ok(TextKind::Heading) => {}
        Ok(_) => block.heading_level = 0,
    }
    if block.spans.is_empty() {
        return;
    }
    for (at, span) in block.spans.iter_mut().enumerate() {
        clean_optional_address(&format!("{path}.spans[{at}].url"), &mut span.url, violations);
        if Emphasis::try_from(span.emphasis).is_err() {
            violations.add(format!("{path}.spans[{at}].emphasis"), "must be one of the kinds of emphasis");
        }
    }
    let texts: Vec<&str> = block.spans.iter().map(|span| span.text.as_str()).collect();
    match clean_text_parts(&texts).filter(|texts| texts.concat() == paragraph) {
        Some(texts) => block.spans = joined(std::mem::take(&mut block.spans), texts),
        None => violations.add(
            format!("{path}.spans"),
            format!("must be, concatenated, the paragraph of body that begins with {:?}", start_of(paragraph)),
        ),
    }
}

/// Returns the spans with these texts. Joins neighbours of one format, and drops empty ones. No spans if all of the
/// text is ordinary.
fn joined(spans: Vec<Span>, texts: Vec<String>) -> Vec<Span> {
    let mut result: Vec<Span> = Vec::with_capacity(spans.len());
    for (span, text) in spans.into_iter().zip(texts).filter(|(_, text)| !text.is_empty()) {
        match result.last_mut() {
            Some(last) if (&last.url, last.emphasis) == (&span.url, span.emphasis) => last.text.push_str(&text),
            _ => result.push(Span { text, ..span }),
        }
    }
    if result.iter().all(|span| span.url.is_empty() && span.emphasis() == Emphasis::Unspecified) {
        result.clear();
    }
    result
}

fn clean_table(path: &str, table: &mut TableBlock, paragraph: &str, violations: &mut Violations) {
    for row in &mut table.rows {
        row.cells.iter_mut().for_each(|cell| *cell = clean_line(cell));
    }
    table.rows.retain(|row| row.cells.iter().any(|cell| !cell.is_empty()));
    if !(1..=MAX_ROWS).contains(&table.rows.len()) {
        violations.add(format!("{path}.rows"), format!("must be 1 to {MAX_ROWS}"));
    }
    if table.rows.iter().any(|row| row.cells.len() > MAX_CELLS) {
        violations.add(format!("{path}.rows"), format!("must have at most {MAX_CELLS} cells each"));
    }
    let cells: Vec<&[String]> = table.rows.iter().map(|row| row.cells.as_slice()).collect();
    if table_text(&cells) != paragraph {
        violations.add(
            format!("{path}.rows"),
            format!(
                "must be the paragraph of body that begins with {:?}: a line for each row, cells separated by ` | `",
                start_of(paragraph)
            ),
        );
    }
}

/// Returns the paragraph of a table: one line for each row, with the cells separated by ` | `.
pub fn table_text(rows: &[&[String]]) -> String {
    let lines: Vec<String> = rows.iter().map(|cells| cells.join(" | ")).collect();
    clean_text(&lines.join("\n"))
}

fn start_of(paragraph: &str) -> String {
    paragraph.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::{CleanArticle, Limits};
    use crate::proto::{EmbedBlock, ImageBlock, Media, TableRow};

    fn cleaned(body: &str, contents: Vec<Content>) -> Result<Article, Vec<String>> {
        let article = Article {
            body: body.to_owned(),
            media: vec![Media { url: "https://herald.example/a.jpg".into(), ..Media::default() }],
            blocks: contents.into_iter().map(|content| Block { content: Some(content) }).collect(),
            ..Article::default()
        };
        match CleanArticle::new(article, &Limits::default()) {
            Ok(clean) => Ok(clean.article().clone()),
            Err(violations) => Err(violations.0.into_iter().map(|violation| violation.field).collect()),
        }
    }

    fn text(kind: TextKind, level: i32, spans: &[(&str, &str, Emphasis)]) -> Content {
        let spans = spans.iter().map(|(text, url, emphasis)| Span {
            text: (*text).to_owned(),
            url: (*url).to_owned(),
            emphasis: (*emphasis).into(),
        });
        Content::Text(TextBlock { kind: kind.into(), heading_level: level, spans: spans.collect() })
    }

    fn row(cells: &[&str]) -> TableRow {
        TableRow { cells: cells.iter().map(|cell| (*cell).to_owned()).collect(), header: false }
    }

    #[test]
    fn blocks_describe_the_paragraphs_in_order() {
        let (none, strong) = (Emphasis::Unspecified, Emphasis::Strong);
        let link = "https://herald.example/fares";
        let article = cleaned(
            "Fares  rise\n\nThe new \u{200B}fares: see here.\n\n\nLine | Fare\nNorth | 4",
            vec![
                text(TextKind::Heading, 2, &[]),
                text(
                    TextKind::Paragraph,
                    9,
                    &[
                        ("The new  ", "", none),
                        (" fares", link, none),
                        ("", "", strong),
                        (": see ", "", none),
                        ("he", "", strong),
                        ("re", "", strong),
                        (".", "", none),
                    ],
                ),
                Content::Image(ImageBlock { url: "https://herald.example/a.jpg".into() }),
                Content::Embed(EmbedBlock { url: "https://video.example/1".into(), title: " A  film ".into() }),
                Content::Table(TableBlock { rows: vec![row(&["Line", "Fare"]), row(&["", ""]), row(&["North", "4"])] }),
            ],
        );
        let article = article.expect("valid");
        let Some(Content::Text(block)) = &article.blocks[1].content else { panic!("a text block") };
        let spans: Vec<(&str, &str)> = block.spans.iter().map(|span| (span.text.as_str(), span.url.as_str())).collect();
        assert_eq!(spans, [("The new ", ""), ("fares", link), (": see ", ""), ("here", ""), (".", "")]);
        assert_eq!(block.heading_level, 0);
        let again = CleanArticle::new(article.clone(), &Limits::default()).expect("clean stays clean");
        assert_eq!(*again.article(), article);
    }

    #[test]
    fn blocks_that_contradict_the_body_are_named() {
        let (none, strong) = (Emphasis::Unspecified, Emphasis::Strong);
        let paragraph = || text(TextKind::Paragraph, 0, &[]);
        let cases: [(Vec<Content>, &[&str]); 6] = [
            (vec![text(TextKind::Quote, 0, &[])], &["blocks"]),
            (vec![paragraph(), paragraph(), text(TextKind::Quote, 0, &[])], &["blocks"]),
            (vec![paragraph(), text(TextKind::Heading, 7, &[])], &["blocks[1].text.heading_level"]),
            (
                vec![paragraph(), text(TextKind::Paragraph, 0, &[("Tw", "", none), ("O", "", strong)])],
                &["blocks[1].text.spans"],
            ),
            (vec![paragraph(), Content::Table(TableBlock { rows: vec![row(&["One"])] })], &["blocks[1].table.rows"]),
            (
                vec![Content::Image(ImageBlock { url: "https://herald.example/b.jpg".into() }), paragraph()],
                &["blocks[0].image.url"],
            ),
        ];
        for (contents, expected) in cases {
            assert_eq!(cleaned("One\n\nTwo", contents).expect_err("invalid"), expected);
        }
        assert!(cleaned("One\n\nTwo", vec![paragraph(), paragraph()]).expect("valid").blocks.is_empty());
    }
}
