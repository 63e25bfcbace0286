//! Comparison of two texts: by paragraph, and by word within paragraphs that changed.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use similar::{Algorithm, DiffTag, capture_diff_slices_deadline};
use unicode_segmentation::UnicodeSegmentation;

use crate::proto::{DiffPart, DiffPartKind, ParagraphChange, ParagraphDiff};

/// Maximum number of words, spaces and punctuation marks that are compared by word. Paragraphs beyond it are shown as
/// removed and added, so that the comparison of two texts of the maximum size stays cheap.
const MAX_TOKENS: usize = 200_000;
/// Maximum number of pairs of paragraphs in a hunk that are compared to find versions of one paragraph.
const MAX_PAIRS: usize = 2_500;
/// Similarity from which two paragraphs are shown as one that changed: the proportion of common words.
const MIN_SIMILARITY: f64 = 0.4;

/// Compares two bodies. Returns nothing if they are equal. After `deadline` the rest is shown as removed and added.
///
/// Invariant: the parts that are not inserted, and the unchanged paragraphs, are `before`; those that are not deleted
/// are `after`.
pub(super) fn diff(before: &str, after: &str, deadline: Instant) -> Vec<ParagraphDiff> {
    if before == after {
        return Vec::new();
    }
    let (old, new) = (paragraphs(before), paragraphs(after));
    let mut budget = MAX_TOKENS;
    let mut found = Vec::new();
    for segment in segments(&old, &new, deadline) {
        match segment {
            Segment::Equal(old) => found.push(ParagraphDiff {
                change: ParagraphChange::Unchanged.into(),
                count: i32::try_from(old.len()).unwrap_or(i32::MAX),
                parts: Vec::new(),
            }),
            Segment::Changed { old: gone, new: come } => {
                hunk(&old[gone], &new[come], &mut budget, deadline, &mut found);
            }
        }
    }
    found
}

fn paragraphs(body: &str) -> Vec<&str> {
    if body.is_empty() { Vec::new() } else { body.split("\n\n").collect() }
}

/// Range of two sequences that is equal in both, or not.
enum Segment {
    /// Range of the old sequence; the new one has the same.
    Equal(Range<usize>),
    Changed {
        old: Range<usize>,
        new: Range<usize>,
    },
}

/// Splits two sequences into equal and changed ranges, alternately.
fn segments(old: &[&str], new: &[&str], deadline: Instant) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    for op in capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(deadline)) {
        let (old, new) = (op.old_range(), op.new_range());
        match (op.tag(), found.last_mut()) {
            (DiffTag::Equal, _) => found.push(Segment::Equal(old)),
            (_, Some(Segment::Changed { old: gone, new: come })) => (gone.end, come.end) = (old.end, new.end),
            _ => found.push(Segment::Changed { old, new }),
        }
    }
    found
}

/// Appends the changes between two runs of paragraphs that differ.
fn hunk(old: &[&str], new: &[&str], budget: &mut usize, deadline: Instant, found: &mut Vec<ParagraphDiff>) {
    let pairs = pairs(old, new, budget);
    let (mut at_old, mut at_new) = (0, 0);
    for (one, other) in pairs.into_iter().chain([(old.len(), new.len())]) {
        found.extend(old[at_old..one].iter().map(|text| whole(ParagraphChange::Removed, DiffPartKind::Deleted, text)));
        found.extend(new[at_new..other].iter().map(|text| whole(ParagraphChange::Added, DiffPartKind::Inserted, text)));
        if one < old.len() {
            found.push(ParagraphDiff {
                change: ParagraphChange::Changed.into(),
                count: 1,
                parts: words(old[one], new[other], deadline),
            });
        }
        (at_old, at_new) = (one + 1, other + 1);
    }
}

fn whole(change: ParagraphChange, kind: DiffPartKind, text: &str) -> ParagraphDiff {
    let part = DiffPart { text: text.to_owned(), kind: kind.into() };
    ParagraphDiff { change: change.into(), count: 1, parts: vec![part] }
}

/// Returns the pairs of paragraphs that are versions of each other, in the order of both. Their similarities have the
/// greatest sum.
fn pairs(old: &[&str], new: &[&str], budget: &mut usize) -> Vec<(usize, usize)> {
    let (columns, rows) = (new.len(), old.len());
    if columns * rows > MAX_PAIRS {
        return Vec::new();
    }
    let mut numbers = HashMap::new();
    let mut counted = |texts: &[&str]| -> Option<Vec<Vec<u32>>> {
        let sorted = texts.iter().map(|text| {
            let mut words: Vec<u32> = Vec::new();
            for token in text.split_word_bounds() {
                *budget = budget.checked_sub(1)?;
                if !token.trim().is_empty() {
                    let next = u32::try_from(numbers.len()).ok()?;
                    words.push(*numbers.entry(token.to_owned()).or_insert(next));
                }
            }
            words.sort_unstable();
            Some(words)
        });
        sorted.collect()
    };
    let (Some(old), Some(new)) = (counted(old), counted(new)) else { return Vec::new() };
    // `best[i][j]` is the greatest sum of the paragraphs from `i` and `j` on.
    let mut best = vec![vec![0.0_f64; columns + 1]; rows + 1];
    let mut similar = vec![vec![0.0_f64; columns]; rows];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let value = similarity(&old[i], &new[j]);
            similar[i][j] = if value >= MIN_SIMILARITY { value } else { 0.0 };
            best[i][j] = best[i + 1][j].max(best[i][j + 1]).max(similar[i][j] + best[i + 1][j + 1]);
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < rows && j < columns {
        if best[i + 1][j] >= best[i][j] {
            i += 1;
        } else if best[i][j + 1] >= best[i][j] {
            j += 1;
        } else {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        }
    }
    found
}

/// Returns the proportion of words that two sorted lists have in common, from 0 to 1.
fn similarity(one: &[u32], other: &[u32]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0_usize);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        common += usize::from(a == b);
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    match one.len() + other.len() {
        0 => 0.0,
        all => 2.0 * common as f64 / all as f64,
    }
}

/// Compares two paragraphs by word (UAX #29): a character in scripts without spaces, never a part of a grapheme.
fn words(before: &str, after: &str, deadline: Instant) -> Vec<DiffPart> {
    let old: Vec<&str> = before.split_word_bounds().collect();
    let new: Vec<&str> = after.split_word_bounds().collect();
    let segments = without_lone_spaces(segments(&old, &new, deadline), &old);
    let mut parts = Vec::new();
    let mut push = |tokens: &[&str], kind: DiffPartKind| {
        if !tokens.is_empty() {
            parts.push(DiffPart { text: tokens.concat(), kind: kind.into() });
        }
    };
    for segment in segments {
        match segment {
            Segment::Equal(range) => push(&old[range], DiffPartKind::Equal),
            Segment::Changed { old: gone, new: come } => {
                push(&old[gone], DiffPartKind::Deleted);
                push(&new[come], DiffPartKind::Inserted);
            }
        }
    }
    parts
}

/// Joins changes that only white space separates: a phrase that was replaced reads better as one change.
fn without_lone_spaces(segments: Vec<Segment>, old: &[&str]) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        let Segment::Changed { old: gone, new: come } = segment else {
            joined.push(segment);
            continue;
        };
        let spaces = |range: &Range<usize>| old[range.clone()].iter().all(|token| token.trim().is_empty());
        match joined.as_mut_slice() {
            [.., Segment::Changed { old, new }, Segment::Equal(between)] if spaces(between) => {
                (old.end, new.end) = (gone.end, come.end);
                joined.pop();
            }
            _ => joined.push(Segment::Changed { old: gone, new: come }),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn compared(before: &str, after: &str) -> Vec<ParagraphDiff> {
        diff(before, after, Instant::now() + Duration::from_secs(60))
    }

    /// Returns the changes in short: `=2` for two unchanged paragraphs, `+`, `-` and `~` for the others, with
    /// `[-deleted-]` and `{+inserted+}` parts.
    fn short(diffs: &[ParagraphDiff]) -> Vec<String> {
        let part = |part: &DiffPart| match part.kind() {
            DiffPartKind::Deleted => format!("[-{}-]", part.text),
            DiffPartKind::Inserted => format!("{{+{}+}}", part.text),
            _ => part.text.clone(),
        };
        let line = |diff: &ParagraphDiff| match diff.change() {
            ParagraphChange::Unchanged => format!("={}", diff.count),
            ParagraphChange::Added => format!("+{}", diff.parts[0].text),
            ParagraphChange::Removed => format!("-{}", diff.parts[0].text),
            _ => format!("~{}", diff.parts.iter().map(part).collect::<String>()),
        };
        diffs.iter().map(line).collect()
    }

    /// Returns one of the two texts, from the other one's paragraphs that are unchanged and the parts.
    fn side(diffs: &[ParagraphDiff], of: &str, without: DiffPartKind, skipped: ParagraphChange) -> String {
        let (source, mut at) = (paragraphs(of), 0);
        let mut text: Vec<String> = Vec::new();
        for diff in diffs {
            if diff.change() == ParagraphChange::Unchanged {
                text.extend(source[at..at + diff.count as usize].iter().map(|text| (*text).to_owned()));
                at += diff.count as usize;
                continue;
            }
            if diff.change() != skipped {
                text.push(diff.parts.iter().filter(|part| part.kind() != without).map(|part| &*part.text).collect());
                at += 1;
            }
        }
        text.join("\n\n")
    }

    #[test]
    fn words_are_compared_within_versions_of_a_paragraph() {
        let before = "The ferry sails at nine.\n\nIts captain is Ada Quill.\n\nTickets cost four crowns.";
        let after = "The ferry sails at ten.\n\nIts captain is Ada Quill.\n\nA second ferry follows on Monday.\n\n\
                     Tickets cost five shillings.";
        assert_eq!(
            short(&compared(before, after)),
            [
                "~The ferry sails at [-nine-]{+ten+}.",
                "=1",
                "+A second ferry follows on Monday.",
                "~Tickets cost [-four crowns-]{+five shillings+}."
            ]
        );
        assert_eq!(short(&compared("", "A.\n\nB.")), ["+A.", "+B."]);
        assert_eq!(short(&compared("A.\n\nB.", "")), ["-A.", "-B."]);
        assert!(compared(before, before).is_empty());
    }

    #[test]
    fn graphemes_and_characters_without_spaces_are_words() {
        let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}";
        let couple = "\u{1F468}\u{200D}\u{1F469}";
        assert_eq!(
            short(&compared(&format!("One {family} is here today"), &format!("One {couple} is here today"))),
            [format!("~One [-{family}-]{{+{couple}+}} is here today")]
        );
        assert_eq!(short(&compared("港口委员会周一同意", "港口委员会周二同意")), ["~港口委员会周[-一-]{+二+}同意"]);
        assert_eq!(
            short(&compared("a naïve plan of q\u{301} and r", "a naïve plan of q\u{300} and r")),
            ["~a naïve plan of [-q\u{301}-]{+q\u{300}+} and r"]
        );
    }

    /// Texts of the maximum size that are hard to compare: few different words, in any order.
    #[test]
    fn hostile_texts_are_compared_within_the_budget() {
        let mut seed = 1_u32;
        let mut text = |separator: &str| -> String {
            let mut text = String::new();
            while text.len() < 1 << 20 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text += if seed >> 31 == 0 { "a" } else { "b" };
                text += separator;
            }
            text.trim_end().to_owned()
        };
        for separator in [" ", "\n\n"] {
            let (before, after) = (text(separator), text(separator));
            let found = diff(&before, &after, Instant::now() + Duration::from_secs(1));
            assert_eq!(side(&found, &after, DiffPartKind::Deleted, ParagraphChange::Removed), after);
        }
    }

    fn body() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-c日 ]{1,12}", 0..12).prop_map(|paragraphs| paragraphs.join("\n\n"))
    }

    proptest! {
        #[test]
        fn both_texts_follow_from_the_diff(
            before in body(),
            after in body(),
            late: bool,
        ) {
            let wait = if late { Duration::ZERO } else { Duration::from_secs(60) };
            let found = diff(&before, &after, Instant::now() + wait);
            if before == after {
                prop_assert!(found.is_empty());
                return Ok(());
            }
            prop_assert_eq!(side(&found, &after, DiffPartKind::Deleted, ParagraphChange::Removed), after);
            prop_assert_eq!(side(&found, &before, DiffPartKind::Inserted, ParagraphChange::Added), before);
            for diff in &found {
                prop_assert!(diff.parts.iter().all(|part| !part.text.is_empty()) && diff.count > 0);
                prop_assert!(diff.change() == ParagraphChange::Unchanged || diff.count == 1);
            }
        }
    }
}
