//! The picture in the README, drawn from an extraction: `UPDATE=1 cargo test --test it readme_picture` writes it.
//!
//! One SVG for light and dark mode: it follows `prefers-color-scheme`.

use std::fmt::Write;

use copydesk::extract::{Budget, Document, Extracted, Extraction, Hints, Limits, Payload, extract, visible_text};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/pages/lighthouse.html");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/page-before-and-after.svg");

/// Height of a line, and width of a panel, in pixels.
const LINE: usize = 17;
const PANEL: usize = 520;
/// Characters in a line of a panel: one takes up to 7.25 pixels.
const COLUMNS: usize = 66;
/// Characters of a piece of the page that are shown.
const MAX_CHARS: usize = 180;
/// Characters by which a piece is found on the page.
const FOUND_BY: usize = 40;

const STYLE: &str = "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328}\
    .title{font-weight:bold}.dim{fill:#59636e}.cut{fill:#a40e26;text-decoration:line-through}.why{fill:#a40e26}\
    rect{fill:#f6f8fa;stroke:#d1d9e0}\
    @media (prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.cut,.why{fill:#ff7b72}\
    rect{fill:#151b23;stroke:#3d444d}}";

#[test]
fn the_picture_is_of_the_present_extraction() {
    let drawn = picture();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PICTURE, &drawn).unwrap();
    }
    let stored = std::fs::read_to_string(PICTURE).unwrap_or_default();
    assert!(stored == drawn, "run: UPDATE=1 cargo test --test it readme_picture");
}

fn picture() -> String {
    let bytes = std::fs::read(PAGE).unwrap();
    let payload = Payload::Raw { bytes: &bytes, content_type: Some("text/html") };
    let limits = Limits::default();
    let extraction = extract(&Document { payload, url: None, hints: Hints::default() }, &Budget::unattended(&limits));
    let Ok(Extraction::Article(extracted)) = extraction else { panic!("no article") };
    let page = single_blanks(&visible_text(&bytes, Some("text/html")));
    let (before, after) = (before(&extracted, &page), after(&extracted));
    let height = before.len().max(after.len()) * LINE + 40;
    let width = 2 * PANEL + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" \
         aria-label=\"A page with its cuts, and the article\">\n<style>{STYLE}</style>\n"
    );
    for (panel, lines) in [before, after].iter().enumerate() {
        let left = panel * (PANEL + 20);
        let _ = writeln!(
            svg,
            "<rect x=\"{left}.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            PANEL - 1,
            height - 1
        );
        for (number, line) in lines.iter().enumerate() {
            let (x, y) = (left + 20, 30 + number * LINE);
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\">{line}</text>");
        }
    }
    svg + "</svg>\n"
}

/// Returns the lines of the page in its order: paragraphs of the article, and cuts with their reasons.
fn before(Extracted { draft, report }: &Extracted, page: &str) -> Vec<String> {
    let mut pieces: Vec<(usize, Vec<String>)> = Vec::new();
    let mut last = 0;
    let mut add = |text: &str, lines: Vec<String>| {
        let start: String = single_blanks(text).chars().take(FOUND_BY).collect();
        last = page.find(&start).unwrap_or(last);
        pieces.push((last, lines));
    };
    add(&draft.headline, styled("title", &draft.headline));
    for paragraph in draft.body.split("\n\n") {
        add(paragraph, styled("", &clipped(paragraph)));
    }
    for cut in &report.cuts {
        let reason =
            format!("<tspan class=\"why\">cut: {}</tspan>", escaped(&format!("{:?}", cut.reason).to_lowercase()));
        add(&cut.text, [vec![reason], styled("cut", &clipped(&cut.text))].concat());
    }
    pieces.sort_by_key(|(place, _)| *place);
    pieces.into_iter().flat_map(|(_, lines)| lines).collect()
}

/// Returns the lines of the article: headline, facts, body.
fn after(Extracted { draft, report }: &Extracted) -> Vec<String> {
    let mut lines = styled("title", &draft.headline);
    let dateline = draft.dateline.as_ref().map(|dateline| dateline.place.clone()).unwrap_or_default();
    let authors: Vec<&str> = draft.authors.iter().map(|author| author.name.as_str()).collect();
    let published = draft.publish_time.map(|stated| stated.time.to_string()).unwrap_or_default();
    let confidence = format!("{:.2}", report.confidence);
    let facts = [
        ("authors", authors.join(", ")),
        ("publisher", draft.publisher.clone()),
        ("published", published),
        ("dateline", dateline),
        ("agency", draft.agency.clone()),
        ("section", draft.section.clone()),
        ("language", draft.language.clone()),
        ("confidence", confidence),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        lines.extend(styled("dim", &format!("{name:<11}{value}")));
    }
    for paragraph in draft.body.split("\n\n") {
        lines.push(String::new());
        lines.extend(styled("", paragraph));
    }
    lines
}

/// Wraps a text into lines of one style.
fn styled(class: &str, text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if !line.is_empty() && line.chars().count() + word.chars().count() >= COLUMNS {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    let escape = |line: String| escaped(&line).replace("  ", "\u{a0}\u{a0}");
    lines.into_iter().map(|line| format!("<tspan class=\"{class}\">{}</tspan>", escape(line))).collect()
}

fn clipped(text: &str) -> String {
    let text = single_blanks(text);
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    let start: String = text.chars().take(MAX_CHARS).collect();
    format!("{} …", start.rsplit_once(' ').map_or(start.as_str(), |(words, _)| words))
}

fn single_blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
