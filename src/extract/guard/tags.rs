//! Attributes, counted before the parser sees them.

use crate::extract::ExtractError;

/// A tag is only known when it has ended, and looking for attributes said twice takes a parser the square of their number:
/// beyond this many, times the limit, it never sees the tag.
const UNSEEN_TAG: usize = 2;

/// Refuses a page in which something that may be a tag has very many attributes. Read as the HTML standard reads a tag, from
/// everything that may begin one, wherever it stands: so no tag is missed, and of what is none (in a script, say) a great deal
/// passes.
pub(super) fn check(html: &str, limit: usize) -> Result<(), ExtractError> {
    let bytes = html.as_bytes();
    let mut from = 0;
    // Where tags do not end, what begins within one is read again from each beginning. Pages end theirs.
    let mut budget = 8 * html.len() + (64 << 10);
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'<') {
        from += at + 1;
        let name = from + usize::from(bytes.get(from) == Some(&b'/'));
        if bytes.get(name).is_some_and(u8::is_ascii_alphabetic) {
            let (count, read) = count_attributes(&bytes[name..], limit * UNSEEN_TAG);
            if count > limit * UNSEEN_TAG || read > budget {
                return Err(ExtractError::TooManyAttributes { limit });
            }
            budget -= read;
        }
    }
    Ok(())
}

/// The attributes of a tag, from its name on, not counted beyond `enough`; and how many bytes were read for it.
fn count_attributes(tag: &[u8], enough: usize) -> (usize, usize) {
    enum State {
        TagName,
        BeforeName,
        Name,
        AfterName,
        BeforeValue,
        Quoted(u8),
        Unquoted,
    }
    use State::{AfterName, BeforeName, BeforeValue, Name, Quoted, TagName, Unquoted};
    let mut state = TagName;
    let mut count = 0;
    for (at, byte) in tag.iter().copied().enumerate() {
        let space = byte.is_ascii_whitespace();
        state = match (state, byte) {
            (Quoted(quote), _) if byte == quote => BeforeName,
            (Quoted(quote), _) => Quoted(quote),
            (_, b'>') => return (count, at),
            (BeforeValue, b'"' | b'\'') => Quoted(byte),
            (BeforeValue, _) => {
                if space {
                    BeforeValue
                } else {
                    Unquoted
                }
            }
            (Unquoted, _) => {
                if space {
                    BeforeName
                } else {
                    Unquoted
                }
            }
            (Name | AfterName, b'=') => BeforeValue,
            (_, b'/') => BeforeName,
            (TagName, _) => {
                if space {
                    BeforeName
                } else {
                    TagName
                }
            }
            (Name | AfterName, _) if space => AfterName,
            (BeforeName, _) if space => BeforeName,
            (Name, _) => Name,
            (BeforeName | AfterName, _) => {
                count += 1;
                if count > enough {
                    return (count, at);
                }
                Name
            }
        };
    }
    (count, tag.len())
}
