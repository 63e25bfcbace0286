//! Field masks: the fields to read, and the fields to update.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldMask, FileDescriptorSet};

use super::encoded::Kept;
use super::{EditorFields, EncodedArticle, Violations};
use crate::proto::{Article, FILE_DESCRIPTOR_SET};

/// Fields of a message by name: the number, and the inner fields of a singular message of this package.
type Fields = BTreeMap<String, (u32, Option<BTreeMap<String, u32>>)>;

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors written by build.rs");
    let messages: Vec<_> =
        set.file.iter().filter(|f| f.package() == "copydesk.v1").flat_map(|f| &f.message_type).collect();
    let find = |full: &str| messages.iter().find(|m| full == format!(".copydesk.v1.{}", m.name()));
    let article = find(".copydesk.v1.Article").expect("Article in the package");
    let numbers = |fields: &[prost_types::FieldDescriptorProto]| -> BTreeMap<String, u32> {
        fields.iter().map(|f| (f.name().to_owned(), f.number() as u32)).collect()
    };
    let fields = article.field.iter().map(|field| {
        let single = field.r#type() == Type::Message && field.label() != Label::Repeated;
        let inner = if single { find(field.type_name()).map(|m| numbers(&m.field)) } else { None };
        (field.name().to_owned(), (field.number() as u32, inner))
    });
    fields.collect()
});

/// Maximum number of paths, more than there are fields.
const MAX_PATHS: usize = 256;

/// The fields to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadMask(
    /// The inner field numbers to read, or all, by field number. None reads all fields.
    Option<BTreeMap<u32, Option<BTreeSet<u32>>>>,
);

impl ReadMask {
    /// Validates a mask of the API.
    pub fn parse(mask: Option<&FieldMask>) -> Result<Self, Violations> {
        let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) else {
            return Ok(Self(None));
        };
        if mask.paths.iter().any(|path| path == "*") {
            return alone("read_mask.paths", &mask.paths).map(|()| Self(None));
        }
        if mask.paths.len() > MAX_PATHS {
            return Err(Violations::one("read_mask.paths", format!("must be at most {MAX_PATHS}")));
        }
        let mut violations = Violations::default();
        let mut wanted: BTreeMap<u32, Option<BTreeSet<u32>>> = BTreeMap::new();
        for (at, path) in mask.paths.iter().enumerate() {
            let Some((number, inner)) = resolve(path) else {
                violations.add(format!("read_mask.paths[{at}]"), unknown(path));
                continue;
            };
            match inner {
                None => drop(wanted.insert(number, None)),
                Some(inner) => {
                    if let Some(numbers) = wanted.entry(number).or_insert_with(|| Some(BTreeSet::new())) {
                        numbers.insert(inner);
                    }
                }
            }
        }
        violations.or(Self(Some(wanted)))
    }

    /// Returns the article with the fields of the mask only.
    pub fn apply(&self, article: &EncodedArticle) -> EncodedArticle {
        let Some(wanted) = &self.0 else {
            return article.clone();
        };
        article.filter(|number, content| match wanted.get(&number) {
            None => Kept::Nothing,
            Some(None) => Kept::All,
            Some(Some(inner)) => {
                let message = EncodedArticle::new(bytes::Bytes::copy_from_slice(content));
                let kept = message.filter(|number, _| if inner.contains(&number) { Kept::All } else { Kept::Nothing });
                Kept::Instead(kept.as_bytes().clone())
            }
        })
    }
}

/// Rejects `*` with other paths beside it.
fn alone(field: &str, paths: &[String]) -> Result<(), Violations> {
    if paths.len() == 1 { Ok(()) } else { Err(Violations::one(field, "must have no other path beside *")) }
}

fn resolve(path: &str) -> Option<(u32, Option<u32>)> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (number, inner) = FIELDS.get(name)?;
    match rest {
        None => Some((*number, None)),
        Some(rest) => Some((*number, Some(*inner.as_ref()?.get(rest)?))),
    }
}

fn unknown(path: &str) -> String {
    let path: String = path.chars().take(64).collect();
    let names: Vec<&str> = FIELDS.keys().map(String::as_str).collect();
    format!("{path:?} is no field of an article; must be one of {}, or dateline.place, dateline.text", names.join(", "))
}

/// The fields to update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMask(BTreeSet<&'static str>);

/// Names of the fields that an update may change.
const CHANGEABLE: &[&str] = &[
    "headline",
    "subheadline",
    "authors",
    "dateline",
    "dateline.place",
    "dateline.text",
    "agency",
    "publisher",
    "language",
    "section",
    "tags",
    "body",
    "blocks",
    "media",
    "links",
    "rights",
    "publish_time",
    "source_update_time",
    "embargo_time",
    "expire_time",
];

impl UpdateMask {
    /// Validates a mask of the API. `*` stands for all changeable fields.
    pub fn parse(mask: Option<&FieldMask>) -> Result<Self, Violations> {
        let paths = mask.map_or(&[][..], |mask| &mask.paths);
        if paths.is_empty() {
            let expected = format!("is required: name the fields to change, of {}", CHANGEABLE.join(", "));
            return Err(Violations::one("update_mask", expected));
        }
        if paths.len() > MAX_PATHS {
            return Err(Violations::one("update_mask.paths", format!("must be at most {MAX_PATHS}")));
        }
        if paths.iter().any(|path| path == "*") {
            return alone("update_mask.paths", paths).map(|()| Self(CHANGEABLE.iter().copied().collect()));
        }
        let mut violations = Violations::default();
        let mut changed = BTreeSet::new();
        for (at, path) in paths.iter().enumerate() {
            if let Some(known) = CHANGEABLE.iter().find(|known| *known == path) {
                changed.insert(*known);
            } else if resolve(path).is_some() {
                let expected = format!("{path:?} cannot be changed; must be one of {}", CHANGEABLE.join(", "));
                violations.add(format!("update_mask.paths[{at}]"), expected);
            } else {
                violations.add(format!("update_mask.paths[{at}]"), unknown(path));
            }
        }
        violations.or(Self(changed))
    }

    /// Returns the fields that belong to the editor from this change on.
    pub fn editor_fields(&self) -> EditorFields {
        let fields = [("embargo_time", EditorFields::EMBARGO_TIME), ("expire_time", EditorFields::EXPIRE_TIME)];
        let named = fields.into_iter().filter(|(name, _)| self.0.contains(name));
        named.fold(EditorFields::NONE, |all, (_, field)| all.with(field))
    }

    /// Copies the fields of `new` in the mask.
    pub fn apply(&self, article: &mut Article, new: &Article) {
        let dateline = |new: &Article| new.dateline.clone().unwrap_or_default();
        for path in &self.0 {
            match *path {
                "headline" => article.headline.clone_from(&new.headline),
                "subheadline" => article.subheadline.clone_from(&new.subheadline),
                "authors" => article.authors.clone_from(&new.authors),
                "dateline" => article.dateline.clone_from(&new.dateline),
                "dateline.place" => {
                    article.dateline.get_or_insert_default().place = dateline(new).place;
                }
                "dateline.text" => {
                    article.dateline.get_or_insert_default().text = dateline(new).text;
                }
                "agency" => article.agency.clone_from(&new.agency),
                "publisher" => article.publisher.clone_from(&new.publisher),
                "language" => article.language.clone_from(&new.language),
                "section" => article.section.clone_from(&new.section),
                "tags" => article.tags.clone_from(&new.tags),
                "body" => {
                    article.body.clone_from(&new.body);
                    // Blocks refer to the previous body, so they are removed unless the mask has new ones.
                    article.blocks.clear();
                }
                "blocks" => {}
                "media" => article.media.clone_from(&new.media),
                "links" => article.links.clone_from(&new.links),
                "rights" => article.rights.clone_from(&new.rights),
                "publish_time" => article.publish_time = new.publish_time,
                "source_update_time" => article.source_update_time = new.source_update_time,
                "embargo_time" => article.embargo_time = new.embargo_time,
                "expire_time" => article.expire_time = new.expire_time,
                other => unreachable!("{other} is not in CHANGEABLE"),
            }
        }
        // Last, so that the order of the paths does not matter.
        if self.0.contains("blocks") {
            article.blocks = new.blocks.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};

    use super::*;
    use crate::article::changed_fields;
    use crate::article::clean::forget_what_copydesk_sets;
    use crate::proto::Dateline;

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
    }

    #[test]
    fn a_mask_keeps_what_it_names() {
        let article = Article {
            headline: "H".into(),
            body: "B".into(),
            revision: 3,
            dateline: Some(Dateline { place: "LONDON".into(), text: "LONDON, 5 June".into() }),
            ..Article::default()
        };
        let encoded = EncodedArticle::new(article.encode_to_vec().into());
        let parsed = ReadMask::parse(Some(&mask(&["headline", "revision", "dateline.place"]))).expect("valid");
        let masked = Article::decode(parsed.apply(&encoded).as_bytes().clone()).expect("decodes");
        let expected = Article {
            body: String::new(),
            dateline: Some(Dateline { place: "LONDON".into(), text: String::new() }),
            ..article
        };
        assert_eq!(masked, expected);
    }

    #[test]
    fn unknown_paths_are_named() {
        let violations = ReadMask::parse(Some(&mask(&["body", "boddy", "tags.x"]))).expect_err("unknown");
        let fields: Vec<_> = violations.0.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["read_mask.paths[1]", "read_mask.paths[2]"]);
        assert!(UpdateMask::parse(Some(&mask(&["url"]))).is_err());
    }

    /// Fields that Copydesk sets; those of a sender are ignored.
    const OUTPUT_ONLY: &[&str] = &[
        "name",
        "uid",
        "create_time",
        "update_time",
        "delete_time",
        "state",
        "revision",
        "content_digest",
        "etag",
        "change_token",
        "duplicate_of",
    ];
    /// Fields that identify the article; only ingestion sets them.
    const IDENTITY: &[&str] = &["source", "url", "external_id"];

    /// Returns an article with a value in every field, by the descriptors.
    fn full() -> Article {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors written by build.rs");
        let article = pool.get_message_by_name("copydesk.v1.Article").expect("Article in the package");
        Article::decode(&*filled(&article).encode_to_vec()).expect("an article")
    }

    fn filled(message: &MessageDescriptor) -> DynamicMessage {
        let mut filled_message = DynamicMessage::new(message.clone());
        for field in message.fields() {
            let value = match field.kind() {
                Kind::String => Value::String(field.name().to_owned()),
                Kind::Bytes => Value::Bytes(field.name().to_owned().into()),
                Kind::Bool => Value::Bool(true),
                Kind::Int32 => Value::I32(1),
                Kind::Int64 => Value::I64(1),
                Kind::Uint32 => Value::U32(1),
                Kind::Enum(_) => Value::EnumNumber(1),
                Kind::Message(inner) => Value::Message(filled(&inner)),
                other => panic!("{}: add a value for {other:?}", field.full_name()),
            };
            let value = if field.is_list() { Value::List(vec![value]) } else { value };
            filled_message.set_field(&field, value);
        }
        filled_message
    }

    /// Returns the names of the fields that differ, in the order of their numbers.
    fn differing(one: &Article, other: &Article) -> Vec<String> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors written by build.rs");
        let message = pool.get_message_by_name("copydesk.v1.Article").expect("Article in the package");
        let dynamic =
            |article: &Article| DynamicMessage::decode(message.clone(), &*article.encode_to_vec()).expect("an article");
        let (one, other) = (dynamic(one), dynamic(other));
        let differs = message.fields().filter(|field| one.get_field(field) != other.get_field(field));
        differs.map(|field| field.name().to_owned()).collect()
    }

    /// Names of the top-level fields that are changeable.
    fn changeable() -> Vec<&'static str> {
        CHANGEABLE.iter().copied().filter(|path| !path.contains('.')).collect()
    }

    #[test]
    fn every_field_of_an_article_belongs_to_one_class() {
        let mut classified: Vec<&str> = [OUTPUT_ONLY, IDENTITY, &changeable()].concat();
        classified.sort_unstable();
        let fields: Vec<&str> = FIELDS.keys().map(String::as_str).collect();
        assert_eq!(classified, fields, "each field belongs to exactly one of output only, identity and changeable");
        // Ingestion forgets what a sender says of fields that Copydesk sets.
        let mut forgotten = full();
        forget_what_copydesk_sets(&mut forgotten);
        assert_eq!(differing(&full(), &forgotten), OUTPUT_ONLY, "cleaning must forget these, and only these");
        let compared = changed_fields(&Article::default(), &full());
        assert_eq!(compared, [IDENTITY, &changeable()].concat(), "changed_fields must compare these");
    }

    #[test]
    fn every_changeable_field_is_applied() {
        let full = full();
        for path in CHANGEABLE {
            let mut article = Article::default();
            UpdateMask::parse(Some(&mask(&[path]))).expect("valid").apply(&mut article, &full);
            let field = path.split('.').next().expect("a path");
            assert_eq!(changed_fields(&Article::default(), &article), [field], "{path} is not applied alone");
        }
        let mut article = Article::default();
        UpdateMask::parse(Some(&mask(&["*"]))).expect("valid").apply(&mut article, &full);
        assert_eq!(changed_fields(&article, &full), IDENTITY, "* does not apply all of them");
    }
}
