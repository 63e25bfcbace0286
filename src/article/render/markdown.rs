//! Markdown: CommonMark with the tables of GitHub Flavored Markdown. Every character that could be markup is escaped.

use super::{Piece, Run, caption, label};
use crate::proto::{Emphasis, TableRow};

pub(super) fn render(pieces: &[Piece<'_>]) -> String {
    let rendered: Vec<String> = pieces.iter().map(piece).collect();
    rendered.join("\n\n") + "\n"
}

fn piece(piece: &Piece<'_>) -> String {
    match piece {
        Piece::Paragraph(runs) => inline(runs, "\\\n"),
        Piece::Heading(level, runs) => format!("{} {}", "#".repeat(*level), inline(runs, " ")),
        Piece::Quote(paragraphs) => {
            let paragraphs: Vec<String> =
                paragraphs.iter().map(|runs| format!("> {}", inline(runs, "\\\n> "))).collect();
            paragraphs.join("\n>\n")
        }
        Piece::List(items) => {
            let items: Vec<String> = items.iter().map(|runs| format!("- {}", inline(runs, "\\\n  "))).collect();
            items.join("\n")
        }
        Piece::Table(rows) => table(rows),
        Piece::Image(media) => format!("![{}]({})", escaped(&caption(media)), address(&media.url)),
        Piece::Embed(embed) => format!("[{}]({})", escaped(label(embed)), address(&embed.url)),
    }
}

fn table(rows: &[TableRow]) -> String {
    let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
    let line = |cells: &[String]| {
        let cells = (0..width).map(|at| cells.get(at).map(|cell| escaped(cell)).unwrap_or_default());
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    // A table must have a row of headers.
    let (head, rest) = match rows {
        [first, rest @ ..] if first.header => (line(&first.cells), rest),
        all => (line(&[]), all),
    };
    let mut lines = vec![head, format!("|{}", " --- |".repeat(width))];
    lines.extend(rest.iter().map(|row| line(&row.cells)));
    lines.join("\n")
}

/// Returns the text of a paragraph. `line_break` replaces the line breaks within it.
fn inline(runs: &[Run<'_>], line_break: &str) -> String {
    let mut out = String::new();
    for (at, run) in runs.iter().enumerate() {
        // White space at the edges stays outside of the markup.
        let text = run.text.trim();
        if text.is_empty() {
            out.push_str(run.text);
            continue;
        }
        let start = run.text.len() - run.text.trim_start().len();
        out.push_str(&run.text[..start]);
        let text = escaped(text);
        let trailing = &run.text[run.text.trim_end().len()..];
        let next = trailing.chars().next().or_else(|| runs.get(at + 1).and_then(|next| next.text.chars().next()));
        let is_link = !run.url.is_empty();
        let (before, after) = if is_link { (Some('['), Some(']')) } else { (out.chars().last(), next) };
        let text = emphasised(text, run.emphasis, before, after);
        if is_link {
            out.push_str(&format!("[{text}]({})", address(run.url)));
        } else {
            out.push_str(&text);
        }
        out.push_str(trailing);
    }
    // Escaped only where it is the first character of a line.
    out.split('\n').map(line_start).collect::<Vec<_>>().join(line_break)
}

/// Returns the text with emphasis, or without it where CommonMark would read the markers as text: between a letter and
/// punctuation, and beside other markers.
fn emphasised(text: String, emphasis: Emphasis, before: Option<char>, after: Option<char>) -> String {
    let marker = match emphasis {
        Emphasis::Unspecified => return text,
        Emphasis::Stressed => "*",
        Emphasis::Strong => "**",
    };
    let is_open = |outside: Option<char>, inside: Option<char>| {
        let is_punctuation = |character: char| !character.is_alphanumeric() && !character.is_whitespace();
        outside != Some('*')
            && (inside.is_some_and(|inside| !is_punctuation(inside))
                || outside.is_none_or(|outside| outside.is_whitespace() || is_punctuation(outside)))
    };
    if is_open(before, text.chars().next()) && is_open(after, text.chars().last()) {
        format!("{marker}{text}{marker}")
    } else {
        text
    }
}

/// Escapes the characters that are markup anywhere in a line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '!' | '#') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Escapes the start of a line that would begin a list or a rule, or underline a heading.
fn line_start(line: &str) -> String {
    let line = line.trim_start_matches(' ');
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
        Some(b'+' | b'-' | b'=' | b':') if digits == 0 => format!("\\{line}"),
        _ => line.to_owned(),
    }
}

/// Returns the destination of a link.
fn address(url: &str) -> String {
    format!("<{}>", url.replace('\\', "%5C").replace('<', "%3C").replace('>', "%3E"))
}
