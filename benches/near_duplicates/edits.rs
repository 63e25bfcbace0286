//! Copies: bodies of the corpus with the edits that newsrooms make, of the whole body and of short ones.

use super::{Pair, Random};

const FOOT_LINES: [&str; 3] = [
    "This story was supplied by Northwire and has not been edited by our desk.",
    "Dieser Text wurde von Northwire geliefert und von der Redaktion nicht bearbeitet.",
    "Reporting by Ida Quill in Port Ellery; editing by Sam Orr for Northwire.",
];
const DATELINE: &str = "PORT ELLERY, Nov 29 (Northwire) — ";
/// British and American spellings.
const SPELLINGS: [(&str, &str); 6] =
    [("isation", "ization"), ("ise", "ize"), ("our", "or"), ("tre ", "ter "), ("ogue", "og"), ("ence", "ense")];
/// Sizes of short bodies, in words of five letters.
const SHORT: [(usize, &str); 2] = [(60, ", short"), (26, ", very short")];

pub fn pairs(bodies: &[Vec<String>], random: &mut Random) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for body in bodies {
        let whole = std::iter::once((body.clone(), ""));
        let short = SHORT.iter().map(|(words, name)| (sentences(&beginning(body, words * 6)), *name));
        for (original, size) in whole.chain(short) {
            for (kind, edited) in edits(&original, random) {
                let texts = [original.join("\n\n"), edited.join("\n\n")];
                pairs.push(Pair { kind: format!("{kind}{size}"), is_copy: true, texts });
            }
        }
    }
    pairs
}

/// Returns the first paragraphs, of at least this many bytes if there are enough.
pub fn beginning(body: &[String], bytes: usize) -> Vec<String> {
    let mut length = 0;
    let is_wanted = |paragraph: &&String| {
        let is_wanted = length < bytes;
        length += paragraph.len();
        is_wanted
    };
    body.iter().take_while(is_wanted).cloned().collect()
}

/// Splits few paragraphs into sentences, so that something can be cut.
fn sentences(body: &[String]) -> Vec<String> {
    if body.len() >= 4 {
        return body.to_vec();
    }
    let sentences = body.iter().flat_map(|paragraph| paragraph.split_inclusive(['.', '!', '?', '。']));
    sentences.map(|sentence| sentence.trim().to_owned()).filter(|sentence| !sentence.is_empty()).collect()
}

fn edits(body: &[String], random: &mut Random) -> Vec<(&'static str, Vec<String>)> {
    let mut edits = Vec::new();
    let text = body.join("\n\n");
    let changed = |change: &mut dyn FnMut(&mut Vec<String>)| {
        let mut edited = body.to_vec();
        change(&mut edited);
        edited
    };
    let foot = random.of(&FOOT_LINES);
    edits.push(("foot line", changed(&mut |edited| edited.push(foot.to_owned()))));
    edits.push(("dateline", changed(&mut |edited| edited[0].insert_str(0, DATELINE))));
    let quotes = text.replace(['"', '“'], "«").replace('\'', "’").replace(" - ", " — ").replace('–', "-");
    edits.push(("quotes and dashes", vec![quotes]));
    if body.len() >= 3 {
        let kept = beginning(body, text.len() * (55 + random.below(38)) / 100);
        let (first, second) = (random.below(body.len()), random.below(body.len()));
        edits.push(("paragraphs swapped", changed(&mut |edited| edited.swap(first, second))));
        edits.push(("paragraphs merged", vec![body.join(" ")]));
        let several = [&[format!("{DATELINE}{}", kept[0])], &kept[1..], &[foot.to_owned()]].concat();
        edits.push(("cut", kept));
        edits.push(("cut, foot line and dateline", several));
    }
    edits.push(("one word", vec![with_words(&text, 1, random)]));
    edits.push(("one word of fifty", vec![with_words(&text, (text.len() / 300).max(1), random)]));
    let spelled = SPELLINGS.iter().fold(text.clone(), |text, (british, american)| text.replace(british, american));
    let different = spelled.split(' ').zip(text.split(' ')).filter(|(one, other)| one != other).count();
    if different > 0 && different * 25 <= text.split(' ').count() {
        edits.push(("spelling", vec![spelled]));
    }
    let digits: Vec<usize> = text.match_indices(|letter: char| letter.is_ascii_digit()).map(|(at, _)| at).collect();
    if !digits.is_empty() {
        let at = digits[random.below(digits.len())];
        let digit = (text.as_bytes()[at] - b'0' + 1) % 10;
        edits.push(("one number", vec![format!("{}{digit}{}", &text[..at], &text[at + 1..])]));
    }
    edits
}

/// Replaces some words. In a script without spaces, a word is one character.
fn with_words(text: &str, count: usize, random: &mut Random) -> String {
    let mut words: Vec<&str> = text.split_inclusive(' ').collect();
    if words.len() * 20 < text.len() {
        words = text.split_inclusive(|_| true).collect();
        let at = random.below(words.len());
        words[at] = "误";
        return words.concat();
    }
    for _ in 0..count {
        let at = random.below(words.len());
        words[at] = "corrected ";
    }
    words.concat()
}
