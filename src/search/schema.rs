//! Fields of the index, and the document of an article.
//!
//! The index has no text, only words and columns: an article is read from the store.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, Term};

use super::selection::TextHash;
use super::tokenizer::{TOKENIZER, marked};
use crate::article::{ArticleId, Digest, Facet, FacetKind, Language, Lifecycle, Record, TextField};
use crate::proto::Article;

/// Version of the fields and of the analysis of text. An index of another version is built again.
pub(super) const FORMAT: u32 = 2;

/// Separates the folded form of a value from its spelling.
pub(super) const SPELLING: char = '\0';

/// Property of articles whose values are counted and suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueField {
    /// Publisher's host or name.
    Source,
    /// Host of the URL.
    Host,
    /// Language tag.
    Language,
    /// Section.
    Section,
    /// Keyword.
    Tag,
    /// Author's name.
    Author,
    /// News agency.
    Agency,
    /// Name of a subject.
    Subject,
}

impl ValueField {
    /// All properties.
    pub(super) const ALL: [Self; 8] =
        [Self::Source, Self::Host, Self::Language, Self::Section, Self::Tag, Self::Author, Self::Agency, Self::Subject];

    /// Returns the name of the column.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Source => "value_source",
            Self::Host => "value_host",
            Self::Language => "value_language",
            Self::Section => "value_section",
            Self::Tag => "value_tag",
            Self::Author => "value_author",
            Self::Agency => "value_agency",
            Self::Subject => "value_subject",
        }
    }

    /// Returns the form in which values are compared.
    pub(super) fn folded(self, value: &str) -> String {
        let kind = match self {
            Self::Source => FacetKind::Source,
            Self::Host => FacetKind::Host,
            Self::Language => FacetKind::Language,
            Self::Section => FacetKind::Section,
            Self::Tag | Self::Subject => FacetKind::Tag,
            Self::Author => FacetKind::Author,
            Self::Agency => FacetKind::Agency,
        };
        Facet::comparable(kind, value)
    }

    fn values<'a>(self, article: &'a Article, mut each: impl FnMut(&'a str)) {
        match self {
            Self::Source => each(&article.source),
            Self::Host => each(&article.host),
            Self::Language => each(&article.language_code),
            Self::Section => each(&article.section),
            Self::Tag => article.tags.iter().for_each(|tag| each(tag)),
            Self::Author => article.authors.iter().for_each(|author| each(&author.name)),
            Self::Agency => each(&article.agency),
            Self::Subject => article.subjects.iter().for_each(|subject| each(&subject.name)),
        }
    }
}

/// Names of the columns of numbers.
pub(super) mod column {
    pub(in crate::search) const ID_PARTS: [&str; 7] = ["id_0", "id_1", "id_2", "id_3", "id_4", "id_5", "id_6"];
    pub(in crate::search) const ID_HASH: &str = "id_hash";
    pub(in crate::search) const LIFECYCLE: &str = "lifecycle";
    pub(in crate::search) const EMBARGO_TIME: &str = "embargo_time";
    pub(in crate::search) const EXPIRE_TIME: &str = "expire_time";
    pub(in crate::search) const SORT_TIME: &str = "sort_time";
    pub(in crate::search) const CREATE_TIME: &str = "create_time";
    pub(in crate::search) const UPDATE_TIME: &str = "update_time";
    pub(in crate::search) const SEQUENCE: &str = "sequence";
    pub(in crate::search) const DIGEST: &str = "digest";
    pub(in crate::search) const LANGUAGE: &str = "language";
    pub(in crate::search) const ID: &str = "id";
}

/// Value of `embargo_time` without an embargo.
pub(super) const NO_EMBARGO: i64 = i64::MIN;
/// Value of `expire_time` without an expiry.
pub(super) const NO_EXPIRY: i64 = i64::MAX;

/// Fields of the index.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    pub(super) id: Field,
    pub(super) texts: [Field; TextField::ALL.len()],
    pub(super) facet: Field,
    pub(super) digest: Field,
    id_parts: [Field; column::ID_PARTS.len()],
    id_hash: Field,
    lifecycle: Field,
    embargo_time: Field,
    expire_time: Field,
    sort_time: Field,
    create_time: Field,
    update_time: Field,
    sequence: Field,
    language: Field,
    values: [Field; ValueField::ALL.len()],
}

impl Fields {
    pub(super) fn new() -> Self {
        let mut schema = Schema::builder();
        let raw = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic);
        let raw = raw.set_fieldnorms(false);
        let id = TextOptions::default().set_indexing_options(raw);
        let words = TextFieldIndexing::default().set_tokenizer(TOKENIZER);
        let words = words.set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = TextOptions::default().set_indexing_options(words);
        let value = TextOptions::default().set_fast("raw");
        let indexed: NumericOptions = INDEXED.into();
        Self {
            id: schema.add_text_field(column::ID, id),
            texts: TextField::ALL.map(|field| schema.add_text_field(field.name(), text.clone())),
            facet: schema.add_u64_field("facet", indexed.clone()),
            digest: schema.add_u64_field(column::DIGEST, indexed | FAST),
            id_parts: column::ID_PARTS.map(|part| schema.add_u64_field(part, FAST)),
            id_hash: schema.add_u64_field(column::ID_HASH, FAST),
            lifecycle: schema.add_u64_field(column::LIFECYCLE, FAST),
            embargo_time: schema.add_i64_field(column::EMBARGO_TIME, FAST),
            expire_time: schema.add_i64_field(column::EXPIRE_TIME, FAST),
            sort_time: schema.add_i64_field(column::SORT_TIME, FAST),
            create_time: schema.add_i64_field(column::CREATE_TIME, FAST),
            update_time: schema.add_i64_field(column::UPDATE_TIME, FAST),
            sequence: schema.add_u64_field(column::SEQUENCE, FAST),
            language: schema.add_u64_field(column::LANGUAGE, FAST),
            values: ValueField::ALL.map(|field| schema.add_text_field(field.column(), value.clone())),
            schema: schema.build(),
        }
    }

    /// Returns the term that finds the document of an article.
    pub(super) fn id_term(&self, id: &ArticleId) -> Term {
        Term::from_field_text(self.id, id.as_str())
    }

    /// Returns the term of a property that filters match.
    pub(super) fn facet_term(&self, facet: &Facet) -> Term {
        Term::from_field_u64(self.facet, facet_hash(facet))
    }

    /// Returns the term of a digest.
    pub(super) fn digest_term(&self, digest: &Digest) -> Term {
        Term::from_field_u64(self.digest, digest_number(digest))
    }

    /// Returns the term of a text.
    pub(super) fn text_term(&self, text: TextHash) -> Term {
        Term::from_field_u64(self.digest, text.0)
    }

    /// Returns the document of an article in any state.
    pub(super) fn document(&self, record: &Record, article: &Article) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_text(self.id, record.id.as_str());
        for (field, part) in self.id_parts.into_iter().zip(id_parts(&record.id)) {
            document.add_u64(field, part);
        }
        document.add_u64(self.id_hash, id_hash(&record.id));
        document.add_u64(self.lifecycle, lifecycle_number(record.lifecycle));
        let micros = |time: jiff::Timestamp| time.as_microsecond();
        document.add_i64(self.embargo_time, record.embargo_time.map_or(NO_EMBARGO, micros));
        document.add_i64(self.expire_time, record.expire_time.map_or(NO_EXPIRY, micros));
        document.add_i64(self.sort_time, micros(record.sort_time()));
        document.add_i64(self.create_time, micros(record.create_time));
        document.add_i64(self.update_time, micros(record.update_time));
        document.add_u64(self.sequence, record.token.position.sequence);
        document.add_u64(self.digest, digest_number(&record.digest));
        let language = Language::of_code(&article.language_code);
        document.add_u64(self.language, language.map_or(0, |language| u64::from(language.index()) + 1));
        for (field, text) in TextField::ALL.into_iter().zip(self.texts) {
            field.values(article, |value| {
                if !value.is_empty() {
                    document.add_text(text, marked(language, value));
                }
            });
        }
        for facet in Facet::of(article) {
            document.add_u64(self.facet, facet_hash(&facet));
        }
        for (field, column) in ValueField::ALL.into_iter().zip(self.values) {
            let mut seen: Vec<String> = Vec::new();
            field.values(article, |value| {
                let folded = field.folded(value);
                if !folded.is_empty() && !seen.contains(&folded) {
                    document.add_text(column, format!("{folded}{SPELLING}{value}"));
                    seen.push(folded);
                }
            });
        }
        document
    }
}

/// Returns two numbers that differ for different IDs: the first 10 characters, in the order of text, and a hash.
pub(super) fn id_numbers(id: &ArticleId) -> (u64, u64) {
    (id_parts(id).next().unwrap_or(0), id_hash(id))
}

fn id_hash(id: &ArticleId) -> u64 {
    xxhash_rust::xxh3::xxh3_64(id.as_str().as_bytes())
}

/// Characters of an ID in a number, of 6 bits each.
const PART: usize = 10;

/// Returns an ID as numbers, in the order of text: a column of numbers is read faster than one of texts.
fn id_parts(id: &ArticleId) -> impl Iterator<Item = u64> {
    id.as_str().as_bytes().chunks(PART).map(|part| {
        let characters = part.iter().map(|byte| match byte {
            b'-' => 1,
            b'0'..=b'9' => u64::from(byte - b'0') + 2,
            _ => u64::from(byte.saturating_sub(b'a')) + 12,
        });
        characters.chain(std::iter::repeat(0)).take(PART).fold(0, |number, next| number << 6 | next)
    })
}

/// Returns the text of an ID from its numbers.
pub(super) fn id_text(parts: impl Iterator<Item = u64>) -> String {
    let mut text = String::new();
    for part in parts {
        for at in (0..PART).rev() {
            match (part >> (6 * at) & 63) as u8 {
                0 => break,
                1 => text.push('-'),
                digit @ 2..12 => text.push(char::from(b'0' + digit - 2)),
                letter => text.push(char::from(b'a' + letter - 12)),
            }
        }
    }
    text
}

fn facet_hash(facet: &Facet) -> u64 {
    let mut bytes = Vec::with_capacity(facet.value.len() + 1);
    bytes.push(facet.kind as u8);
    bytes.extend_from_slice(facet.value.as_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

fn digest_number(digest: &Digest) -> u64 {
    let Digest([a, b, c, d, e, f, g, h, ..]) = *digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Returns the number of a state in the index.
pub(super) fn lifecycle_number(lifecycle: Lifecycle) -> u64 {
    match lifecycle {
        Lifecycle::Live => 0,
        Lifecycle::Withdrawn => 1,
        Lifecycle::Deleted => 2,
        Lifecycle::Expected => 3,
        Lifecycle::Merged => 4,
        Lifecycle::Purged => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_id_is_read_from_its_numbers(text in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?") {
            let id: ArticleId = text.parse().expect("valid");
            proptest::prop_assert_eq!(id_text(id_parts(&id)), text);
        }

        #[test]
        fn numbers_order_beginnings_of_ids_as_text_does(
            one in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?",
            other in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?",
        ) {
            let (one, other): (ArticleId, ArticleId) = (one.parse().expect("valid"), other.parse().expect("valid"));
            proptest::prop_assert_eq!(id_numbers(&one).cmp(&id_numbers(&other)), one.cmp(&other));
        }
    }
}
