//! Limits on attributes, checked before the parser sees them.

use crate::extract::error::ExtractError;

/// A parser reports a tag only at its end, and its search for repeated attributes takes quadratic time. Beyond this
/// multiple of the limit, the tag never reaches the parser.
const UNSEEN_TAG: usize = 2;
/// The same within a script, whose `a<b` is no tag. Where the parser does read a tag there, it is the only one that
/// takes so long: the page is rejected at its end.
const UNSEEN_IN_SCRIPT: usize = 20;

/// Rejects a page with very many attributes in anything that may be a tag. Tags are read as in the HTML standard, from
/// every possible start, so none is missed. False positives (in a script, say) need far more attributes than usual.
pub(super) fn check(html: &str, limit: usize) -> Result<(), ExtractError> {
    let bytes = html.as_bytes();
    let mut from = 0;
    let mut in_script = false;
    // Unterminated tags are read again from each start within them. Ordinary pages terminate theirs.
    let mut budget = 8 * html.len() + (64 << 10);
    // `find` compares many bytes at once.
    while let Some(at) = html.get(from..).and_then(|rest| rest.find('<')) {
        from += at + 1;
        let name = from + usize::from(bytes.get(from) == Some(&b'/'));
        if bytes.get(name).is_some_and(u8::is_ascii_alphabetic) {
            let is_script = bytes[name..].get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"script"));
            if is_script {
                in_script = name == from;
            }
            let most = limit * if in_script && !is_script { UNSEEN_IN_SCRIPT } else { UNSEEN_TAG };
            let (count, read) = count_attributes(&html[name..], most);
            if count > most || read > budget {
                return Err(ExtractError::TooManyAttributes { limit });
            }
            budget -= read;
        }
    }
    Ok(())
}

/// Returns the number of attributes of a tag, counted up to `enough`, and the number of bytes read. `tag` starts at
/// its name.
fn count_attributes(tag: &str, enough: usize) -> (usize, usize) {
    enum State {
        TagName,
        BeforeName,
        Name,
        AfterName,
        BeforeValue,
        Unquoted,
    }
    use State::{AfterName, BeforeName, BeforeValue, Name, TagName, Unquoted};
    let mut state = TagName;
    let mut count = 0;
    let mut next = 0;
    while let Some(byte) = tag.as_bytes().get(next).copied() {
        let at = next;
        next += 1;
        let space = byte.is_ascii_whitespace();
        state = match (state, byte) {
            (_, b'>') => return (count, at),
            (BeforeValue, b'"' | b'\'') => {
                // Most of a tag is quoted.
                let Some(end) = tag[next..].find(char::from(byte)) else { return (count, tag.len()) };
                next += end + 1;
                BeforeName
            }
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
