//! Repair of JSON as pages write it: with comments, trailing and missing commas, raw line breaks and quotation marks in
//! strings, single quotes, bare keys, and ends that are cut off.

/// Returns valid JSON that says what the text was meant to say: a list of its values. One pass, in linear time.
pub(super) fn repaired(text: &str) -> String {
    const CDATA: &str = "<![CDATA[";
    let first = text.find('{').unwrap_or(text.len());
    let from = text[..first].find(CDATA).map_or(0, |at| at + CDATA.len());
    let at = text[from..].find(['{', '[']).map_or(text.len(), |at| from + at);
    let mut writer =
        Writer { text, at, out: String::with_capacity(text.len() + 16), open: Vec::new(), state: State::Start };
    writer.out.push('[');
    while writer.at < text.len() {
        writer.next();
    }
    while let Some(close) = writer.open.pop() {
        writer.finish_value();
        writer.out.push(close);
        writer.state = State::Value;
    }
    writer.out.push(']');
    writer.out
}

/// State between two tokens.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the start of an object, an array or the text.
    Start,
    /// Behind a value.
    Value,
    /// Behind a comma, which is not written before the next value is.
    Comma,
    /// Behind a key.
    Key,
    /// Behind a colon.
    Colon,
}

struct Writer<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// The closing marks of the open objects and arrays.
    open: Vec<char>,
    state: State,
}

impl Writer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Reads one token.
    fn next(&mut self) {
        let Some(first) = self.rest().chars().next() else { return };
        match first {
            '{' | '[' => {
                self.start_value();
                self.out.push(first);
                self.open.push(if first == '{' { '}' } else { ']' });
                self.state = State::Start;
            }
            '}' | ']' => self.close(first),
            ',' if self.state != State::Start => {
                self.finish_value();
                self.state = State::Comma;
            }
            ':' if self.state == State::Key => {
                self.out.push(':');
                self.state = State::Colon;
            }
            '"' | '\'' | '“' | '”' => return self.string(first),
            '/' if self.rest().starts_with("/*") => {
                return self.skip(self.rest().find("*/").map(|end| end + 2));
            }
            '/' if self.rest().starts_with("//") => return self.skip(self.rest().find('\n')),
            c if c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | '$' | '@') => return self.word(),
            _ => {}
        }
        self.at += first.len_utf8();
    }

    fn skip(&mut self, bytes: Option<usize>) {
        self.at = bytes.map_or(self.text.len(), |bytes| self.at + bytes);
    }

    /// Writes the comma before a value, if one is needed.
    fn start_value(&mut self) {
        if self.state == State::Key {
            self.out.push(':');
        }
        if matches!(self.state, State::Value | State::Comma) {
            self.out.push(',');
        }
        // A value where a key should be.
        if self.is_key() {
            self.out.push_str("\"\":");
        }
    }

    /// Completes a key without a value.
    fn finish_value(&mut self) {
        match self.state {
            State::Key => self.out.push_str(":null"),
            State::Colon => self.out.push_str("null"),
            _ => {}
        }
    }

    fn close(&mut self, mark: char) {
        // A mark that closes nothing is ignored.
        if self.open.last() == Some(&mark) {
            self.finish_value();
            self.open.pop();
            self.out.push(mark);
            self.state = State::Value;
        }
    }

    /// Returns true if the next string is a key.
    fn is_key(&self) -> bool {
        self.open.last() == Some(&'}') && !matches!(self.state, State::Key | State::Colon)
    }

    /// Writes a string or a bare word as a key or a value.
    fn write(&mut self, json: &str) {
        if self.open.is_empty() {
            // Script around the data.
            return;
        }
        let is_key = self.is_key();
        if is_key {
            if matches!(self.state, State::Value | State::Comma) {
                self.out.push(',');
            }
            self.state = State::Key;
        } else {
            self.start_value();
            self.state = State::Value;
        }
        self.out.push_str(json);
    }

    /// Reads a string up to the quotation mark that ends it: the one with punctuation of JSON behind it.
    fn string(&mut self, quote: char) {
        let mut json = String::from("\"");
        let start = self.at + quote.len_utf8();
        let mut chars = self.text[start..].char_indices().peekable();
        let mut end = self.text.len();
        while let Some((at, c)) = chars.next() {
            let behind = start + at + c.len_utf8();
            match c {
                _ if c == quote || quote == '“' && c == '”' => {
                    if ends_string(&self.text[behind..], quote) {
                        end = behind;
                        break;
                    }
                    match c {
                        '"' => json.push_str("\\\""),
                        c => json.push(c),
                    }
                }
                '"' => json.push_str("\\\""),
                '\\' => match chars.next() {
                    // A broken code of a character.
                    Some((at, 'u')) if !is_code(&self.text[start + at + 1..]) => json.push(' '),
                    Some((_, escaped @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u'))) => {
                        json.push('\\');
                        json.push(escaped);
                    }
                    Some((_, other)) => json.push(other),
                    None => {}
                },
                '\n' => json.push_str("\\n"),
                c if c.is_control() => json.push(' '),
                c => json.push(c),
            }
        }
        json.push('"');
        self.at = end;
        self.write(&json);
    }

    /// Reads a number, a literal, or a bare key. Other words are not known: `undefined`, `NaN`.
    fn word(&mut self) {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | '$' | '@');
        let length = self.rest().find(|c: char| !is_part(c)).unwrap_or(self.rest().len());
        let word = &self.text[self.at..self.at + length];
        let is_known = matches!(word, "true" | "false" | "null") || word.parse::<serde_json::Number>().is_ok();
        let json = match is_known && !self.is_key() {
            true => word.to_owned(),
            false if self.is_key() => format!("\"{word}\""),
            false => "null".to_owned(),
        };
        self.at += length;
        self.write(&json);
    }
}

/// Returns true if a quotation mark before this text ends its string: a comma, a colon, a closing mark, the end of the
/// line, or nothing follows. A comma within a sentence is followed by a word.
fn ends_string(behind: &str, quote: char) -> bool {
    let rest = behind.trim_start();
    let has_break = behind[..behind.len() - rest.len()].contains('\n');
    let mut chars = rest.chars();
    match chars.next() {
        None | Some('}' | ']' | ':') => true,
        Some(',') => {
            let after = chars.as_str().trim_start();
            let next = after.chars().next();
            let is_literal = ["true", "false", "null"].iter().any(|word| after.starts_with(word));
            let is_mark = |next: char| matches!(next, '"' | '“' | '\'' | '{' | '[' | '}' | ']' | '/' | '-');
            // Scripts, not JSON, have bare keys.
            let key = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '@'));
            let is_bare_key = key.len() < after.len()
                && (quote == '\'' && key.trim_start().starts_with(':')
                    || key.starts_with(":\"")
                    || key.starts_with(":{"));
            is_literal || is_bare_key || next.is_none_or(|next| is_mark(next) || next.is_ascii_digit())
        }
        Some('"') => has_break,
        Some('/') => rest.starts_with("//") || rest.starts_with("/*"),
        Some(_) => false,
    }
}

/// Returns true for four hexadecimal digits: the code of a character.
fn is_code(text: &str) -> bool {
    text.bytes().take(4).filter(u8::is_ascii_hexdigit).count() == 4
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn broken_json_is_repaired() {
        for (text, expected) in [
            (r#"{"a": 1, "b": [1, 2,],}"#, json!([{"a": 1, "b": [1, 2]}])),
            ("{\"a\": \"x\"\n \"b\": \"y\"}", json!([{"a": "x", "b": "y"}])),
            (r#"{"a": "the "inner" basin", "b": 2}"#, json!([{"a": "the \"inner\" basin", "b": 2}])),
            (r#"{"a": "said "yes", and left", "b": 2}"#, json!([{"a": "said \"yes\", and left", "b": 2}])),
            (r#"{"k": "harbour,""dredging,", "b": 2}"#, json!([{"k": "harbour,\"\"dredging,", "b": 2}])),
            ("{\"a\": \"two\nlines\u{1}\"}", json!([{"a": "two\nlines "}])),
            (r#"{"a": "it\'s"}"#, json!([{"a": "it's"}])),
            ("// note\n{/* note */\"a\": \"http://x\" // end\n}", json!([{"a": "http://x"}])),
            ("//<![CDATA[\n{\"a\": 1};\n//]]>", json!([{"a": 1}])),
            ("<!-- {\"a\": 1} -->", json!([{"a": 1}])),
            (r#"{a:"x, y",b:"z"}"#, json!([{"a": "x, y", "b": "z"}])),
            ("{“a”: “x”, \"b\": \"\\u00 y\"}", json!([{"a": "x", "b": " 00 y"}])),
            (r#"{a: 'x', b: undefined}"#, json!([{"a": "x", "b": null}])),
            (r#"{"a": 1}{"a": 2}"#, json!([{"a": 1}, {"a": 2}])),
            (r#"{"a": {"b": "cut o"#, json!([{"a": {"b": "cut o"}}])),
            (r#"{"a": [1, 2}, "b":"#, json!([{"a": [1, 2, "b", null]}])),
            (r#"{"a": , "b": 1}"#, json!([{"a": null, "b": 1}])),
            ("", json!([])),
            (r#"{"a": 1}]}"#, json!([{"a": 1}])),
        ] {
            let repaired = repaired(text);
            let parsed: Result<Value, _> = serde_json::from_str(&repaired);
            match (text, parsed) {
                // Nobody knows what was meant: any JSON will do.
                (r#"{"a": [1, 2}, "b":"#, parsed) => assert!(parsed.is_ok(), "{text} {repaired}"),
                (_, parsed) => assert_eq!(parsed.ok(), Some(expected), "{text} {repaired}"),
            }
        }
    }
}
