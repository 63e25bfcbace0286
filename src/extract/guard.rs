//! What no parser may see: checked in one linear pass over the bytes, before any tree is built.

use super::{ExtractError, Limits};

/// Elements that have no end tag.
const VOID: [&str; 16] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "frame", "keygen",
];
/// Elements whose end tag may be left out, so that a count of open tags would run away on ordinary pages.
const OPTIONAL_END: [&str; 14] =
    ["p", "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "rp"];

/// Refuses what is too large.
pub(super) fn size(bytes: usize, limits: &Limits) -> Result<(), ExtractError> {
    if bytes > limits.max_bytes { Err(ExtractError::TooLarge { limit: limits.max_bytes }) } else { Ok(()) }
}

/// Refuses a page that is too large, too deep, or too rich in elements or attributes.
pub(super) fn page(html: &str, limits: &Limits) -> Result<(), ExtractError> {
    size(html.len(), limits)?;
    let mut depth = 0_usize;
    let mut loose = 0_usize;
    let mut elements = 0_usize;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let (closing, name) = match rest.strip_prefix('/') {
            Some(after) => (true, name(after)),
            None => (false, name(rest)),
        };
        if name.is_empty() {
            continue;
        }
        let tag = tag(rest, limits)?;
        rest = tag.rest;
        let name = name.to_ascii_lowercase();
        if closing {
            if OPTIONAL_END.contains(&name.as_str()) {
                loose = loose.saturating_sub(1)
            } else {
                depth = depth.saturating_sub(1)
            }
            continue;
        }
        elements += 1;
        if elements > limits.max_elements {
            return Err(ExtractError::TooManyElements { limit: limits.max_elements });
        }
        if VOID.contains(&name.as_str()) {
            continue;
        }
        if OPTIONAL_END.contains(&name.as_str()) {
            loose += 1;
        } else if !tag.self_closing {
            depth += 1;
        }
        // A parser closes a loose element when the next of its kind opens, unless another element stands between: so
        // loose ones nest only as deep as the others do.
        if depth + loose.min(depth * 2) > limits.max_depth {
            return Err(ExtractError::TooDeep { limit: limits.max_depth });
        }
        // Text to a parser, whatever it looks like.
        if matches!(name.as_str(), "script" | "style" | "textarea" | "title") {
            let end = find_end(rest, &name);
            rest = &rest[end..];
        }
    }
    Ok(())
}

/// Where the end tag of a raw-text element begins.
fn find_end(rest: &str, name: &str) -> usize {
    let mut from = 0;
    while let Some(at) = rest[from..].find("</") {
        let start = from + at;
        let after = &rest.as_bytes()[start + 2..];
        if after.len() >= name.len() && after[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
            return start;
        }
        from = start + 2;
    }
    rest.len()
}

fn name(tag: &str) -> &str {
    if !tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return "";
    }
    let end = tag.bytes().take(64).position(|byte| !byte.is_ascii_alphanumeric() && byte != b'-' && byte != b':');
    &tag[..end.unwrap_or(tag.len().min(64).min(floor(tag, 64)))]
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

struct Tag<'a> {
    rest: &'a str,
    self_closing: bool,
}

/// Passes over a tag, its quotes, and counts its attributes: by their equals signs and the spaces before names.
fn tag<'a>(text: &'a str, limits: &Limits) -> Result<Tag<'a>, ExtractError> {
    let bytes = text.as_bytes();
    let mut attributes = 0;
    let mut quote = None;
    let mut last = b' ';
    for (at, byte) in bytes.iter().copied().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None => match byte {
                b'"' | b'\'' if last == b'=' => quote = Some(byte),
                b'>' => return Ok(Tag { rest: &text[at + 1..], self_closing: last == b'/' }),
                byte if !byte.is_ascii_whitespace() && last.is_ascii_whitespace() => {
                    attributes += 1;
                    if attributes > limits.max_attributes {
                        return Err(ExtractError::TooManyAttributes { limit: limits.max_attributes });
                    }
                }
                _ => {}
            },
        }
        if quote.is_none() {
            last = byte;
        }
    }
    Ok(Tag { rest: "", self_closing: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str) -> Result<(), ExtractError> {
        page(html, &Limits::default())
    }

    #[test]
    fn ordinary_pages_pass() {
        let page = "<p>x<br><img src='a>b'><li>y<script>if (a<b) { '<div><div>' }</script><!-- <div> -->".repeat(2_000);
        assert_eq!(check(&page), Ok(()));
        assert_eq!(check(&"<div a=1>x</div>".repeat(50_000)), Ok(()));
    }

    #[test]
    fn pages_made_to_hurt_do_not() {
        assert_eq!(check(&"<div>".repeat(501)), Err(ExtractError::TooDeep { limit: 500 }));
        assert_eq!(check(&"<div><p>".repeat(501)), Err(ExtractError::TooDeep { limit: 500 }));
        assert_eq!(check(&"<br>".repeat(200_001)), Err(ExtractError::TooManyElements { limit: 200_000 }));
        let many = format!("<p {}>", "a ".repeat(1_001));
        assert_eq!(check(&many), Err(ExtractError::TooManyAttributes { limit: 1_000 }));
    }
}
