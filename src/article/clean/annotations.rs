//! The client's own data.

use std::collections::BTreeMap;

use crate::article::Violations;

const MAX_ENTRIES: usize = 64;
const KEY_CHARS: usize = 63;
const VALUE_BYTES: usize = 1_024;

pub(super) fn clean(annotations: &mut BTreeMap<String, String>, violations: &mut Violations) {
    if annotations.len() > MAX_ENTRIES {
        violations.add("annotations", format!("must be at most {MAX_ENTRIES}"));
    }
    for (key, value) in annotations {
        if !is_annotation_key(key) {
            let expected = "keys must be 1 to 63 characters of a-z, A-Z, 0-9, -, _, . and /";
            violations.add("annotations", format!("{expected}; {:?} is not", printable(key)));
        }
        if value.len() > VALUE_BYTES || value.contains('\0') {
            let expected = "must be at most 1,024 bytes long, without NUL";
            violations.add(format!("annotations[{:?}]", printable(key)), expected);
        }
    }
}

/// Returns true if a text is valid as the key of an annotation.
pub(in crate::article) fn is_annotation_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    (1..=KEY_CHARS).contains(&key.len()) && key.bytes().all(allowed)
}

/// Returns the start of a key, for an error message.
fn printable(key: &str) -> String {
    key.chars().take(KEY_CHARS).collect()
}
