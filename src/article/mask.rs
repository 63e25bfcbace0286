//! Field masks: their paths, and the fields to update.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldMask, FileDescriptorSet};

use super::clean::{RENDERED, is_rendered};
use super::{EditorFields, Violations, changed_fields};
use crate::proto::{Article, FILE_DESCRIPTOR_SET, Rights};

/// Fields of a message by name: the number, and the inner fields of a singular message of this package.
pub(super) type Fields = BTreeMap<String, (u32, Option<BTreeMap<String, u32>>)>;

/// Fields of an article.
pub(super) static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
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
pub(super) const MAX_PATHS: usize = 256;

/// Rejects `*` with other paths beside it.
pub(super) fn alone(field: &str, paths: &[String]) -> Result<(), Violations> {
    if paths.len() == 1 { Ok(()) } else { Err(Violations::one(field, "must have no other path beside *")) }
}

/// Returns the number of a field, and of its inner field.
pub(super) fn resolve(path: &str) -> Option<(u32, Option<u32>)> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (number, inner) = FIELDS.get(name)?;
    match rest {
        None => Some((*number, None)),
        Some(rest) => Some((*number, Some(*inner.as_ref()?.get(rest)?))),
    }
}

pub(super) fn unknown(path: &str) -> String {
    let path: String = path.chars().take(64).collect();
    let names: Vec<&str> = FIELDS.keys().map(String::as_str).collect();
    let nested = "a field of dateline or rights, such as dateline.place";
    format!("{path:?} is no field of an article; must be one of {}, or {nested}", names.join(", "))
}

/// The fields to update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMask {
    changed: BTreeSet<&'static str>,
    /// Immutable fields that must be unchanged, with the field of the request that names each.
    immutable: Vec<(String, &'static str)>,
}

/// Names of the fields that identify an article. Only ingestion sets them.
const IMMUTABLE: &[&str] = &["source", "url", "external_id"];

/// Names of the fields that an update may change.
const CHANGEABLE: &[&str] = &[
    "headline",
    "subheadline",
    "byline",
    "authors",
    "dateline",
    "dateline.place",
    "dateline.text",
    "agency",
    "publisher",
    "language_code",
    "section",
    "tags",
    "subjects",
    "body",
    "blocks",
    "media",
    "rights",
    "rights.notice",
    "rights.holder",
    "rights.usage_terms",
    "rights.license_uri",
    "rights.data_mining",
    "rights.access",
    "publish_time",
    "publish_time_precision",
    "publish_utc_offset",
    "source_update_time",
    "embargo_time",
    "expire_time",
    "annotations",
    "urgency",
    "slugline",
    "editor_note",
    "links",
];

impl UpdateMask {
    /// Validates a mask of the API for a change to `new`. Without a mask, the changed fields are those that `new` has.
    /// `*` stands for all changeable fields. Fields that Copydesk sets are ignored, so that an article that was read
    /// can be edited and sent back.
    pub fn parse(mask: Option<&FieldMask>, new: &Article) -> Result<Self, Violations> {
        let paths = mask.map_or(&[][..], |mask| &mask.paths);
        if paths.len() > MAX_PATHS {
            return Err(Violations::one("update_mask.paths", format!("must be at most {MAX_PATHS}")));
        }
        let populated = changed_fields(&Article::default(), new);
        let populated = |all: &[&'static str]| all.iter().copied().filter(|field| populated.contains(field)).collect();
        let immutable =
            |fields: Vec<&'static str>| fields.iter().map(|field| (format!("article.{field}"), *field)).collect();
        if paths.is_empty() {
            let changed: Vec<&'static str> = populated(CHANGEABLE);
            return Ok(Self { changed: changed.into_iter().collect(), immutable: immutable(populated(IMMUTABLE)) });
        }
        if paths.iter().any(|path| path == "*") {
            alone("update_mask.paths", paths)?;
            let changed = CHANGEABLE.iter().copied().collect();
            return Ok(Self { changed, immutable: immutable(populated(IMMUTABLE)) });
        }
        let mut violations = Violations::default();
        let mut parsed = Self { changed: BTreeSet::new(), immutable: Vec::new() };
        for (at, path) in paths.iter().enumerate() {
            let field = format!("update_mask.paths[{at}]");
            if let Some(known) = CHANGEABLE.iter().find(|known| *known == path) {
                parsed.changed.insert(*known);
            } else if let Some(known) = IMMUTABLE.iter().find(|known| *known == path) {
                parsed.immutable.push((field, known));
            } else if resolve(path).is_none() {
                violations.add(field, unknown(path));
            }
        }
        violations.or(parsed)
    }

    /// Returns those of these fields that may be changed.
    pub(crate) fn of_fields(fields: &BTreeSet<&'static str>) -> Self {
        let changed = CHANGEABLE.iter().copied().filter(|field| fields.contains(field)).collect();
        Self { changed, immutable: Vec::new() }
    }

    /// Checks that `new` does not change an immutable field of `current`, and that a new body is plain text.
    pub fn check(&self, current: &Article, new: &Article) -> Result<(), Violations> {
        let mut violations = Violations::default();
        if self.changed.contains("body") && is_rendered(new) {
            violations.add("article.body_format", RENDERED);
        }
        for (field, path) in &self.immutable {
            let (stored, sent) = match *path {
                "source" => (&current.source, &new.source),
                "url" => (&current.url, &new.url),
                "external_id" => (&current.external_id, &new.external_id),
                other => unreachable!("{other} is not in IMMUTABLE"),
            };
            if stored != sent {
                let changeable = CHANGEABLE.join(", ");
                let expected = format!(
                    "{path} cannot be changed: must be as the article has it, or absent; changeable are {changeable}"
                );
                violations.add(field, expected);
            }
        }
        violations.or(())
    }

    /// Returns the fields that belong to the editor from this change on.
    pub fn editor_fields(&self) -> EditorFields {
        let fields = [("embargo_time", EditorFields::EMBARGO_TIME), ("expire_time", EditorFields::EXPIRE_TIME)];
        let named = fields.into_iter().filter(|(name, _)| self.changed.contains(name));
        named.fold(EditorFields::NONE, |all, (_, field)| all.with(field))
    }

    /// Copies the fields of `new` in the mask.
    pub fn apply(&self, article: &mut Article, new: &Article) {
        let dateline = |new: &Article| new.dateline.clone().unwrap_or_default();
        let rights = |new: &Article| new.rights.clone().unwrap_or_default();
        for path in &self.changed {
            match *path {
                "headline" => article.headline.clone_from(&new.headline),
                "subheadline" => article.subheadline.clone_from(&new.subheadline),
                "byline" => article.byline.clone_from(&new.byline),
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
                "language_code" => article.language_code.clone_from(&new.language_code),
                "section" => article.section.clone_from(&new.section),
                "tags" => article.tags.clone_from(&new.tags),
                "subjects" => article.subjects.clone_from(&new.subjects),
                "body" => {
                    article.body.clone_from(&new.body);
                    // Blocks refer to the previous body, so they are removed unless the mask has new ones.
                    article.blocks.clear();
                }
                "blocks" => {}
                "media" => article.media.clone_from(&new.media),
                "rights" => article.rights.clone_from(&new.rights),
                "rights.notice" => rights_of(article).notice = rights(new).notice,
                "rights.holder" => rights_of(article).holder = rights(new).holder,
                "rights.usage_terms" => rights_of(article).usage_terms = rights(new).usage_terms,
                "rights.license_uri" => rights_of(article).license_uri = rights(new).license_uri,
                "rights.data_mining" => rights_of(article).data_mining = rights(new).data_mining,
                "rights.access" => rights_of(article).access = rights(new).access,
                "publish_time" => article.publish_time = new.publish_time,
                "publish_time_precision" => article.publish_time_precision = new.publish_time_precision,
                "publish_utc_offset" => article.publish_utc_offset = new.publish_utc_offset,
                "source_update_time" => article.source_update_time = new.source_update_time,
                "embargo_time" => article.embargo_time = new.embargo_time,
                "expire_time" => article.expire_time = new.expire_time,
                "annotations" => article.annotations.clone_from(&new.annotations),
                "urgency" => article.urgency = new.urgency,
                "slugline" => article.slugline.clone_from(&new.slugline),
                "editor_note" => article.editor_note.clone_from(&new.editor_note),
                "links" => article.links.clone_from(&new.links),
                other => unreachable!("{other} is not in CHANGEABLE"),
            }
        }
        // Last, so that the order of the paths does not matter.
        if self.changed.contains("blocks") {
            article.blocks = new.blocks.clone();
        }
    }
}

fn rights_of(article: &mut Article) -> &mut Rights {
    article.rights.get_or_insert_default()
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, Value};

    use super::*;
    use crate::article::changed_fields;
    use crate::article::clean::forget_what_copydesk_sets;

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
    }

    #[test]
    fn unknown_paths_are_named() {
        let sent = mask(&["body", "boddy", "url", "tags.x"]);
        let violations = UpdateMask::parse(Some(&sent), &Article::default()).expect_err("unknown");
        let fields: Vec<_> = violations.0.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["update_mask.paths[1]", "update_mask.paths[3]"]);
    }

    /// Fields that Copydesk sets; those of a sender are ignored.
    const OUTPUT_ONLY: &[&str] = &[
        "name",
        "uid",
        "host",
        "create_time",
        "update_time",
        "delete_time",
        "purge_time",
        "state",
        "revision",
        "content_digest",
        "etag",
        "change_token",
        "successor",
        "body_format",
        "story",
    ];
    /// Returns an article with a value in every field, by the descriptors.
    fn full() -> Article {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors written by build.rs");
        let article = pool.get_message_by_name("copydesk.v1.Article").expect("Article in the package");
        Article::decode(&*filled(&article).encode_to_vec()).expect("an article")
    }

    fn filled(message: &MessageDescriptor) -> DynamicMessage {
        let mut filled_message = DynamicMessage::new(message.clone());
        for field in message.fields() {
            if field.is_map() {
                let entry = (MapKey::String(field.name().to_owned()), Value::String(field.name().to_owned()));
                filled_message.set_field(&field, Value::Map([entry].into()));
                continue;
            }
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
        let mut classified: Vec<&str> = [OUTPUT_ONLY, IMMUTABLE, &changeable()].concat();
        classified.sort_unstable();
        let fields: Vec<&str> = FIELDS.keys().map(String::as_str).collect();
        assert_eq!(classified, fields, "each field belongs to exactly one of output only, identity and changeable");
        // Ingestion forgets what a sender says of fields that Copydesk sets.
        let mut forgotten = full();
        forget_what_copydesk_sets(&mut forgotten);
        assert_eq!(differing(&full(), &forgotten), OUTPUT_ONLY, "cleaning must forget these, and only these");
        let compared = changed_fields(&Article::default(), &full());
        assert_eq!(compared, [IMMUTABLE, &changeable()].concat(), "changed_fields must compare these");
    }

    #[test]
    fn every_changeable_field_is_applied() {
        let full = full();
        for path in CHANGEABLE {
            let mut article = Article::default();
            UpdateMask::parse(Some(&mask(&[path])), &full).expect("valid").apply(&mut article, &full);
            let field = path.split('.').next().expect("a path");
            assert_eq!(changed_fields(&Article::default(), &article), [field], "{path} is not applied alone");
        }
        for all in [Some(mask(&["*"])), Some(mask(&[])), None] {
            let mut article = Article::default();
            UpdateMask::parse(all.as_ref(), &full).expect("valid").apply(&mut article, &full);
            assert_eq!(changed_fields(&article, &full), IMMUTABLE, "{all:?} does not apply all of them");
        }
    }

    #[test]
    fn an_article_can_be_sent_back_with_any_mask() {
        let full = full();
        let every: Vec<&str> = FIELDS.keys().map(String::as_str).collect();
        for paths in every.iter().map(std::slice::from_ref).chain([&every[..], &["*"], &[]]) {
            let sent = mask(paths);
            let parsed = UpdateMask::parse(Some(&sent), &full).unwrap_or_else(|error| panic!("{paths:?}: {error}"));
            parsed.check(&full, &full).unwrap_or_else(|error| panic!("{paths:?}: {error}"));
            let mut article = full.clone();
            parsed.apply(&mut article, &full);
            // A new body without blocks clears them: they refer to paragraphs.
            let expected = if *paths == ["body"] { vec!["blocks"] } else { vec![] };
            assert_eq!(changed_fields(&full, &article), expected, "{paths:?}");
        }
        for path in IMMUTABLE {
            let fields = |sent: Option<FieldMask>, new: &Article| {
                let parsed = UpdateMask::parse(sent.as_ref(), new).expect("valid");
                let violations = parsed.check(&full, new).expect_err("changed");
                violations.0.into_iter().map(|violation| violation.field).collect::<Vec<_>>()
            };
            assert_eq!(fields(Some(mask(&[path])), &Article::default()), ["update_mask.paths[0]"]);
            let mut new = Article::default();
            match *path {
                "source" => new.source = "other.example".into(),
                "url" => new.url = "https://other.example/1".into(),
                _ => new.external_id = "other".into(),
            }
            for all in [None, Some(mask(&["*"]))] {
                assert_eq!(fields(all, &new), [format!("article.{path}")]);
            }
        }
    }
}
