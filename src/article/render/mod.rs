//! The body rendered with its structure: as Markdown, or as HTML.

mod html;
mod markdown;

use crate::proto::block::Content;
use crate::proto::{Article, BodyFormat, EmbedBlock, Emphasis, Media, TableRow, TextBlock, TextKind};

/// Returns the body in a format.
pub(super) fn render(article: &Article, format: BodyFormat) -> String {
    match format {
        BodyFormat::Unspecified | BodyFormat::Plain => article.body.clone(),
        BodyFormat::Markdown => markdown::render(&pieces(article)),
        BodyFormat::Html => html::render(&pieces(article)),
    }
}

/// A part of a paragraph with one format.
struct Run<'a> {
    text: &'a str,
    url: &'a str,
    emphasis: Emphasis,
}

type Runs<'a> = Vec<Run<'a>>;

/// A piece of the body, in reading order. Neighbouring quotations are one, as are neighbouring items of a list.
enum Piece<'a> {
    Paragraph(Runs<'a>),
    Heading(usize, Runs<'a>),
    Quote(Vec<Runs<'a>>),
    List(Vec<Runs<'a>>),
    Table(&'a [TableRow]),
    Image(&'a Media),
    Embed(&'a EmbedBlock),
}

fn pieces(article: &Article) -> Vec<Piece<'_>> {
    let mut paragraphs = article.body.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    let mut pieces = Vec::new();
    for block in &article.blocks {
        match &block.content {
            Some(Content::Text(text)) => {
                if let Some(paragraph) = paragraphs.next() {
                    add_text(&mut pieces, text, paragraph);
                }
            }
            Some(Content::Table(table)) => {
                paragraphs.next();
                pieces.push(Piece::Table(&table.rows));
            }
            Some(Content::Image(image)) => {
                pieces.extend(article.media.iter().find(|media| media.url == image.url).map(Piece::Image));
            }
            Some(Content::Embed(embed)) => pieces.push(Piece::Embed(embed)),
            None => {}
        }
    }
    pieces.extend(paragraphs.map(|paragraph| Piece::Paragraph(plain(paragraph))));
    pieces
}

fn plain(text: &str) -> Runs<'_> {
    vec![Run { text, url: "", emphasis: Emphasis::Unspecified }]
}

fn add_text<'a>(pieces: &mut Vec<Piece<'a>>, block: &'a TextBlock, paragraph: &'a str) {
    let runs = match block.spans.as_slice() {
        [] => plain(paragraph),
        spans => spans.iter().map(|span| Run { text: &span.text, url: &span.url, emphasis: span.emphasis() }).collect(),
    };
    match (block.kind(), pieces.last_mut()) {
        (TextKind::Quote, Some(Piece::Quote(quote))) => quote.push(runs),
        (TextKind::Quote, _) => pieces.push(Piece::Quote(vec![runs])),
        (TextKind::ListItem, Some(Piece::List(items))) => items.push(runs),
        (TextKind::ListItem, _) => pieces.push(Piece::List(vec![runs])),
        (TextKind::Heading, _) => {
            let level = usize::try_from(block.heading_level).unwrap_or(1).clamp(1, 6);
            pieces.push(Piece::Heading(level, runs));
        }
        (TextKind::Paragraph | TextKind::Unspecified, _) => pieces.push(Piece::Paragraph(runs)),
    }
}

/// Returns the caption and credit of an image.
fn caption(media: &Media) -> String {
    match (media.caption.as_str(), media.credit.as_str()) {
        (caption, "") => caption.to_owned(),
        ("", credit) => credit.to_owned(),
        (caption, credit) => format!("{caption} ({credit})"),
    }
}

/// Returns the text of the link to an embed.
fn label(embed: &EmbedBlock) -> &str {
    if embed.title.is_empty() { &embed.url } else { &embed.title }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::article::{CleanArticle, Limits};
    use crate::proto::{Block, ImageBlock, Span, TableBlock};

    /// Articles of any structure, with text that means something in HTML and Markdown.
    fn articles() -> impl Strategy<Value = Article> {
        let word = prop_oneof!["[a-c]{1,3}", "[-+*_`#>.!|~=\\[\\]()<>&\"'\\\\:0-9é漢]{1,4}", Just("&amp;".to_owned())];
        let text = prop::collection::vec(word, 1..5).prop_map(|words| words.join(" "));
        let url = prop_oneof![Just(String::new()), "https://herald\\.example/[a-z()*_?=&]{0,8}"];
        let span = (text.clone(), url, 0..3).prop_map(|(text, url, emphasis)| Span { text, url, emphasis });
        let block = prop_oneof![
            4 => (prop::collection::vec(span, 1..4), 1..5, 1..7).prop_map(|(spans, kind, heading_level)| {
                Content::Text(TextBlock { kind, heading_level, spans })
            }),
            1 => prop::collection::vec(prop::collection::vec(text.clone(), 2..4), 2..4).prop_map(|rows| {
                let row = |(at, cells)| TableRow { cells, header: at == 0 };
                Content::Table(TableBlock { rows: rows.into_iter().enumerate().map(row).collect() })
            }),
            1 => Just(Content::Image(ImageBlock { url: "https://herald.example/a.jpg".into() })),
            1 => text.prop_map(|title| Content::Embed(EmbedBlock { url: "https://video.example/1".into(), title })),
        ];
        prop::collection::vec(block, 1..6).prop_map(|contents| {
            let paragraph = |content: &Content| match content {
                Content::Text(text) => Some(text.spans.iter().map(|span| span.text.as_str()).collect::<String>()),
                Content::Table(table) => {
                    let cells: Vec<&[String]> = table.rows.iter().map(|row| row.cells.as_slice()).collect();
                    Some(crate::article::table_text(&cells))
                }
                _ => None,
            };
            let paragraphs: Vec<String> = contents.iter().filter_map(paragraph).collect();
            let media = Media {
                url: "https://herald.example/a.jpg".into(),
                caption: "A *ferry* <b>".into(),
                ..Media::default()
            };
            Article {
                headline: "Headline".into(),
                body: paragraphs.join("\n\n"),
                blocks: contents.into_iter().map(|content| Block { content: Some(content) }).collect(),
                media: vec![media],
                ..Article::default()
            }
        })
    }

    fn words(text: &str) -> String {
        text.split(|c: char| c.is_whitespace() || c == '|')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Returns the text of the paragraphs only.
    fn body_words(article: &Article) -> String {
        words(&article.body)
    }

    fn without_objects(article: &Article) -> Article {
        let is_text = |block: &Block| matches!(block.content, Some(Content::Text(_) | Content::Table(_)));
        Article { blocks: article.blocks.iter().filter(|block| is_text(block)).cloned().collect(), ..article.clone() }
    }

    proptest! {
        #[test]
        fn html_has_the_text_of_the_body_and_only_our_tags(article in articles()) {
            let Ok(clean) = CleanArticle::new(article, &Limits::default()) else { return Ok(()) };
            let html = render(clean.article(), BodyFormat::Html);
            let document = dom_query::Document::fragment(html.as_str());
            let known = "p, h1, h2, h3, h4, h5, h6, blockquote, ul, li, table, tbody, thead, tr, td, th, figure, img, \
                         figcaption, a, em, strong, br, html, body, head";
            for node in document.select("*").nodes() {
                let name = node.node_name().unwrap_or_default();
                prop_assert!(known.split(", ").any(|tag| tag == &*name), "{name} in {html}");
                for attribute in node.attrs() {
                    let name = attribute.name.local.to_string();
                    prop_assert!(["href", "rel", "src", "alt"].contains(&name.as_str()), "{name} in {html}");
                }
            }
            let html = render(&without_objects(clean.article()), BodyFormat::Html).replace("</", " </");
            let text = dom_query::Document::fragment(html.as_str()).text().to_string();
            prop_assert_eq!(words(&text).replace(' ', ""), body_words(clean.article()).replace(' ', ""));
        }

        #[test]
        fn markdown_has_the_text_of_the_body(article in articles()) {
            use pulldown_cmark::{Event, Options, Parser};
            let Ok(clean) = CleanArticle::new(article, &Limits::default()) else { return Ok(()) };
            let markdown = render(&without_objects(clean.article()), BodyFormat::Markdown);
            let mut text = String::new();
            for event in Parser::new_ext(&markdown, Options::ENABLE_TABLES) {
                match event {
                    Event::Text(part) => text.push_str(&part),
                    Event::SoftBreak | Event::HardBreak | Event::End(_) | Event::Start(_) => text.push(' '),
                    other => prop_assert!(false, "{:?} in {}", other, markdown),
                }
            }
            let expected = body_words(clean.article()).replace(' ', "");
            prop_assert_eq!(words(&text).replace(' ', ""), expected, "{}", markdown);
        }
    }

    #[test]
    fn each_kind_of_block_is_rendered() {
        let text =
            |kind: TextKind, spans: Vec<Span>| Content::Text(TextBlock { kind: kind.into(), heading_level: 2, spans });
        let span = |text: &str, url: &str, emphasis: Emphasis| Span {
            text: text.into(),
            url: url.into(),
            emphasis: emphasis.into(),
        };
        let row = |cells: [&str; 2], header| TableRow { cells: cells.map(str::to_owned).to_vec(), header };
        let contents = vec![
            text(TextKind::Heading, vec![]),
            text(
                TextKind::Paragraph,
                vec![
                    span("See ", "", Emphasis::Unspecified),
                    span("the fares", "https://herald.example/fares?a=1&b=(2)", Emphasis::Strong),
                    span(", & ", "", Emphasis::Unspecified),
                    span("more", "", Emphasis::Stressed),
                    span(".", "", Emphasis::Unspecified),
                ],
            ),
            Content::Image(ImageBlock { url: "https://herald.example/a.jpg".into() }),
            text(TextKind::Quote, vec![]),
            text(TextKind::Quote, vec![]),
            text(TextKind::ListItem, vec![]),
            text(TextKind::ListItem, vec![]),
            Content::Table(TableBlock { rows: vec![row(["Line", "Fare"], true), row(["North", "4"], false)] }),
            Content::Embed(EmbedBlock { url: "https://video.example/1".into(), title: "The film".into() }),
        ];
        let media = Media {
            url: "https://herald.example/a.jpg".into(),
            caption: "The pier".into(),
            credit: "I. Quill".into(),
            ..Media::default()
        };
        let article = Article {
            body: "Fares\n\nSee the fares, & more.\n\n“One”\n\n“Two”\n\nfirst\n\nsecond\n\nLine | Fare\nNorth | 4"
                .into(),
            blocks: contents.into_iter().map(|content| Block { content: Some(content) }).collect(),
            media: vec![media],
            ..Article::default()
        };
        let article = CleanArticle::new(article, &Limits::default()).expect("clean").article().clone();
        let html = "<h2>Fares</h2>\n\
            <p>See <a href=\"https://herald.example/fares?a=1&amp;b=(2)\" rel=\"nofollow noopener\"><strong>the fares\
            </strong></a>, &amp; <em>more</em>.</p>\n\
            <figure><img src=\"https://herald.example/a.jpg\" alt=\"The pier\">\
            <figcaption>The pier (I. Quill)</figcaption></figure>\n\
            <blockquote><p>“One”</p><p>“Two”</p></blockquote>\n\
            <ul><li>first</li><li>second</li></ul>\n\
            <table><tr><th>Line</th><th>Fare</th></tr><tr><td>North</td><td>4</td></tr></table>\n\
            <p><a href=\"https://video.example/1\" rel=\"nofollow noopener\">The film</a></p>\n";
        assert_eq!(render(&article, BodyFormat::Html), html);
        let markdown = "## Fares\n\n\
            See [**the fares**](<https://herald.example/fares?a=1&b=(2)>), \\& *more*.\n\n\
            ![The pier (I. Quill)](<https://herald.example/a.jpg>)\n\n\
            > “One”\n>\n> “Two”\n\n\
            - first\n- second\n\n\
            | Line | Fare |\n| --- | --- |\n| North | 4 |\n\n\
            [The film](<https://video.example/1>)\n";
        assert_eq!(render(&article, BodyFormat::Markdown), markdown);
    }
}
