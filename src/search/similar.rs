//! The characteristic words of an article: those by which articles on the same subject are found.

use std::collections::{HashMap, HashSet};

use tantivy::Term;

use super::compile::articles_with_term;
use super::schema::Fields;
use super::view::{Readable, Segment, View};
use crate::article::{Analysis, Language, TextField};
use crate::proto::Article;

/// Maximum number of bytes of a body that are examined.
const MAX_BODY: usize = 20_000;
/// Maximum number of different words that are looked up: the first ones of the headline and the body.
const MAX_CANDIDATES: usize = 256;
/// Maximum number of characteristic words.
const MAX_WORDS: usize = 20;
/// Maximum number of articles that have a word, in all: it limits the cost of a search for the words.
const MAX_ARTICLES: u64 = 200_000;
/// Maximum number of articles that have one of the words. Others are too common to tell anything in large archives.
const MAX_WITH_WORD: u64 = 20_000;
/// Occurrences that one in the headline counts as.
const IN_HEADLINE: u32 = 3;

/// Weight in the fair queue: most words are looked up only, not read.
pub(super) const WEIGHT: usize = 4;

/// Word of an article.
struct Candidate {
    /// The word as it is written, or a pair of characters.
    word: String,
    /// Term of the index.
    term: String,
    count: u32,
}

/// Returns the characteristic words of an article, the most characteristic first: frequent in it, and rare in the
/// articles that are readable at a time. The words of at least one other article are returned only.
pub(super) fn characteristic_words(
    view: &View,
    fields: &Fields,
    article: &Article,
    now: i64,
) -> tantivy::Result<Vec<String>> {
    let readable: Vec<(&Segment, Readable<'_>)> =
        view.segments.iter().map(|segment| (&**segment, segment.readable_at(now))).collect();
    let all: u64 = readable.iter().map(|(_, readable)| readable.count()).sum();
    let mut rated = Vec::new();
    for (at, candidate) in candidates(article).into_iter().enumerate() {
        let term = Term::from_field_text(fields.texts[TextField::Body.index()], &candidate.term);
        let mut with = 0;
        for (segment, readable) in &readable {
            with += articles_with_term(segment, readable, &term, MAX_WITH_WORD)?;
        }
        // The article itself is one of them.
        if (2..=MAX_WITH_WORD.min(all / 2 + 2)).contains(&with) {
            let rarity = (all.max(with) as f64 / with as f64).ln() + 0.1;
            let weight = (1.0 + f64::from(candidate.count).ln()) * rarity;
            rated.push((weight, at, with, candidate.word));
        }
    }
    rated.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let mut articles = 0;
    rated.retain(|(_, _, with, _)| {
        let fits = articles + with <= MAX_ARTICLES;
        articles += if fits { *with } else { 0 };
        fits
    });
    Ok(rated.into_iter().take(MAX_WORDS).map(|(.., word)| word).collect())
}

/// Returns the different words of an article but stop words, in order, with the number of times that they occur.
fn candidates(article: &Article) -> Vec<Candidate> {
    let language = Language::of_code(&article.language_code);
    let primary = article.language_code.split(['-', '_']).next().unwrap_or("").to_ascii_lowercase();
    let stop_words: HashSet<&str> = stop_words::lookup(primary).unwrap_or(&[]).iter().copied().collect();
    let is_boundary = |at: &usize| article.body.is_char_boundary(*at);
    let end = (0..=MAX_BODY.min(article.body.len())).rev().find(is_boundary).unwrap_or(0);
    let mut found: Vec<Candidate> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for (text, weight) in [(article.headline.as_str(), IN_HEADLINE), (&article.body[..end], 1)] {
        let mut analysis = Analysis::new(text, language);
        while let Some(token) = analysis.advance() {
            let Some((word, term)) = token.as_word(text) else { continue };
            if stop_words.contains(word.to_lowercase().as_str()) {
                continue;
            }
            if let Some(number) = numbers.get(term) {
                found[*number].count += weight;
            } else if found.len() < MAX_CANDIDATES {
                numbers.insert(term.to_owned(), found.len());
                found.push(Candidate { word: word.to_owned(), term: term.to_owned(), count: weight });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(headline: &str, body: &str, language: &str) -> Vec<(String, u32)> {
        let article = Article {
            headline: headline.into(),
            body: body.into(),
            language_code: language.into(),
            ..Article::default()
        };
        candidates(&article).into_iter().map(|candidate| (candidate.word, candidate.count)).collect()
    }

    #[test]
    fn forms_of_a_word_are_counted_together_and_stop_words_are_not() {
        let found = words("Ferry fares", "A fare with the dredger x. Fares", "en-GB");
        let expected = [("Ferry", 3), ("fares", 5), ("dredger", 1)];
        assert_eq!(found, expected.map(|(word, count)| (word.to_owned(), count)));
    }

    #[test]
    fn characters_are_counted_in_pairs() {
        let found = words("东京港", "东京", "ja");
        assert_eq!(found, [("东京".to_owned(), 4), ("京港".to_owned(), 3)]);
    }
}
