//! HTML: only the tags written here, without scripts, styles and frames. Every text and address is escaped.

use std::fmt::Write;

use super::{Piece, Run, caption, label};
use crate::proto::Emphasis;

pub(super) fn render(pieces: &[Piece<'_>]) -> String {
    let mut html = String::new();
    for piece in pieces {
        add(&mut html, piece);
        html.push('\n');
    }
    html
}

fn add(html: &mut String, piece: &Piece<'_>) {
    match piece {
        Piece::Paragraph(runs) => element(html, "p", |html| add_runs(html, runs)),
        Piece::Heading(level, runs) => element(html, &format!("h{level}"), |html| add_runs(html, runs)),
        Piece::Quote(paragraphs) => element(html, "blockquote", |html| {
            paragraphs.iter().for_each(|runs| element(html, "p", |html| add_runs(html, runs)));
        }),
        Piece::List(items) => element(html, "ul", |html| {
            items.iter().for_each(|runs| element(html, "li", |html| add_runs(html, runs)));
        }),
        Piece::Table(rows) => element(html, "table", |html| {
            for row in *rows {
                let tag = if row.header { "th" } else { "td" };
                element(html, "tr", |html| {
                    row.cells.iter().for_each(|cell| element(html, tag, |html| html.push_str(&escaped(cell))));
                });
            }
        }),
        Piece::Image(media) => element(html, "figure", |html| {
            // Writing to a string cannot fail.
            let _ = write!(html, "<img src=\"{}\" alt=\"{}\">", escaped(&media.url), escaped(&media.caption));
            let caption = caption(media);
            if !caption.is_empty() {
                element(html, "figcaption", |html| html.push_str(&escaped(&caption)));
            }
        }),
        Piece::Embed(embed) => element(html, "p", |html| {
            link(html, &embed.url, |html| html.push_str(&escaped(label(embed))));
        }),
    }
}

fn element(html: &mut String, tag: &str, content: impl FnOnce(&mut String)) {
    let _ = write!(html, "<{tag}>");
    content(html);
    let _ = write!(html, "</{tag}>");
}

fn link(html: &mut String, url: &str, content: impl FnOnce(&mut String)) {
    let _ = write!(html, "<a href=\"{}\" rel=\"nofollow noopener\">", escaped(url));
    content(html);
    html.push_str("</a>");
}

fn add_runs(html: &mut String, runs: &[Run<'_>]) {
    for run in runs {
        let text = |html: &mut String| {
            let text = escaped(run.text).replace('\n', "<br>");
            match run.emphasis {
                Emphasis::Unspecified => html.push_str(&text),
                Emphasis::Stressed => element(html, "em", |html| html.push_str(&text)),
                Emphasis::Strong => element(html, "strong", |html| html.push_str(&text)),
            }
        };
        if run.url.is_empty() { text(html) } else { link(html, run.url, text) }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
