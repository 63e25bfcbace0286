//! `correct`: changes fields of an article.

use std::path::Path;
use std::process::Command;

use clap::Args;
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::edits::EditArgs;
use super::failure::Failure;
use super::json::{self, Named};
use super::target::Target;
use crate::printable;
use crate::proto::{Article, UpdateArticleRequest};

/// Fields that an editor opens, in this order. Others are changed by `--set`.
const OPENED: [&str; 8] = ["headline", "subheadline", "byline", "section", "tags", "language_code", "agency", "body"];

#[derive(Args)]
pub(super) struct CorrectArgs {
    #[command(flatten)]
    target: Target,
    /// Field and its new value: headline=…, dateline.place=…, tags=a,b; @FILE reads the value from a file; an empty
    /// value clears the field; repeatable. Without it, $EDITOR opens the article
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    edit: EditArgs,
}

pub(super) async fn correct(args: CorrectArgs) -> Result<(), Failure> {
    let changes = args.set.iter().map(|text| Change::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let mut client = args.edit.connection.open().await?;
    let current = args.target.read(&mut client).await?;
    let changes = if changes.is_empty() { open_editor(&current)? } else { changes };
    let mut article = Map::new();
    for change in &changes {
        change.apply(&mut article);
    }
    let article: Article = json::read(&Value::Object(article).to_string()).map_err(Failure::failed)?;
    let paths = changes.into_iter().map(|change| change.path).collect();
    let request = UpdateArticleRequest {
        // The etag: what another editor has changed meanwhile is not overwritten.
        article: Some(Article { name: current.name, etag: current.etag, ..article }),
        update_mask: Some(prost_types::FieldMask { paths }),
        reason: args.edit.reason.clone(),
        validate_only: args.edit.dry_run,
        ..Default::default()
    };
    let updated = client.editorial.update_article(request).await?.into_inner().article;
    args.edit.show(updated.as_ref())
}

/// New value of one field.
#[derive(Debug, PartialEq)]
struct Change {
    /// Path of the field: `dateline.place`.
    path: String,
    /// Value in the JSON form of the API; none clears the field.
    value: Option<Value>,
}

impl Change {
    /// Parses `field=value`.
    fn parse(text: &str) -> Result<Self, Failure> {
        let (path, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("--set {text:?}: must be FIELD=VALUE: headline='…'")))?;
        let field = field(&Article::descriptor(), path)
            .ok_or_else(|| Failure::Usage(format!("--set {path}: an article has no such field")))?;
        let text = match value.strip_prefix('@') {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                Failure::Usage(format!("--set {path}: {}: {error}", printable::path(Path::new(file))))
            })?,
            None => value.to_owned(),
        };
        let value = value_of(&field, text.trim_end_matches('\n'));
        let value = value.map_err(|expected| Failure::Usage(format!("--set {path}: {expected}")))?;
        Ok(Self { path: path.to_owned(), value })
    }

    /// Sets the value in an article.
    fn apply(&self, article: &mut Map<String, Value>) {
        let Some(value) = &self.value else { return };
        let mut object = article;
        let (parents, name) = self.path.rsplit_once('.').unwrap_or(("", &self.path));
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let inner = object.entry(parent).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else { return };
            object = inner;
        }
        object.insert(name.to_owned(), value.clone());
    }
}

fn field(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    match path.split_once('.') {
        None => message.get_field_by_name(path),
        Some((first, rest)) => field(message.get_field_by_name(first)?.kind().as_message()?, rest),
    }
}

/// Returns a value in the JSON form of the API. A text that is JSON already is taken as it is for messages.
fn value_of(field: &FieldDescriptor, text: &str) -> Result<Option<Value>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_list = field.cardinality() == Cardinality::Repeated;
    let parsed = || serde_json::from_str(text).map_err(|error| format!("must be JSON ({error})"));
    Ok(Some(match field.kind() {
        Kind::String if is_list => text.split(',').map(|part| Value::from(part.trim())).collect(),
        Kind::String => text.into(),
        Kind::Message(message) if message.full_name().starts_with("google.protobuf.") => text.into(),
        Kind::Message(message) if message.name() == "Author" && !text.starts_with('[') => {
            text.split(',').map(|name| serde_json::json!({"name": name.trim()})).collect()
        }
        Kind::Enum(_) => text.to_ascii_uppercase().into(),
        _ => parsed()?,
    }))
}

/// Opens the article in the user's editor. Returns the fields that were changed.
fn open_editor(current: &Article) -> Result<Vec<Change>, Failure> {
    let editor = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR")).unwrap_or_default();
    let mut words = editor.split_whitespace();
    let program = words.next().ok_or_else(|| {
        Failure::Usage("--set is required if neither VISUAL nor EDITOR names an editor: --set headline='…'".into())
    })?;
    let text = json::line(current).map_err(Failure::failed)?;
    let whole: Map<String, Value> = serde_json::from_str(&text).map_err(Failure::failed)?;
    let before = opened(&whole);
    let file = tempfile::Builder::new().prefix("copydesk-").suffix(".json").tempfile()?;
    std::fs::write(file.path(), serde_json::to_string_pretty(&before).map_err(Failure::failed)? + "\n")?;
    let status = Command::new(program).args(words).arg(file.path()).status();
    let status = status.map_err(|error| Failure::Failed(format!("{program}: {error}")))?;
    if !status.success() {
        return Err(Failure::Failed(format!("{program} ended with an error: nothing is changed")));
    }
    let after = std::fs::read_to_string(file.path())?;
    let after: Map<String, Value> = serde_json::from_str(&after)
        .map_err(|error| Failure::Failed(format!("the edited text must be JSON: {error}; nothing is changed")))?;
    if let Some(unknown) = after.keys().find(|key| !OPENED.contains(&key.as_str())) {
        return Err(Failure::Failed(format!("{unknown} cannot be changed here: use --set; nothing is changed")));
    }
    let changed = OPENED.iter().filter(|name| before.get(**name) != after.get(**name));
    let changes: Vec<Change> = changed
        .map(|name| Change {
            path: (*name).to_owned(),
            value: after.get(*name).filter(|value| value.as_str() != Some("")).cloned(),
        })
        .collect();
    if changes.is_empty() { Err(Failure::Failed("nothing was changed".into())) } else { Ok(changes) }
}

/// Returns the fields that an editor opens, with empty ones, so that they can be filled in.
fn opened(article: &Map<String, Value>) -> Map<String, Value> {
    let descriptor = Article::descriptor();
    let entry = |name: &&str| {
        let field = descriptor.get_field_by_name(name)?;
        let absent = if field.is_list() { Value::Array(Vec::new()) } else { Value::from("") };
        Some(((*name).to_owned(), article.get(field.json_name()).cloned().unwrap_or(absent)))
    };
    OPENED.iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_set_as_the_api_has_them() {
        let set = |texts: &[&str]| {
            let mut article = Map::new();
            for text in texts {
                Change::parse(text).unwrap().apply(&mut article);
            }
            json::read::<Article>(&Value::Object(article).to_string()).unwrap()
        };
        let article = set(&[
            "headline=Ferry = late",
            "dateline.place=LONDON",
            "tags=sea, port",
            "authors=Jane Doe,John Roe",
            "publish_time=2026-11-24T08:00:00Z",
            "publish_time_precision=time_precision_day",
            "rights.notice=© Herald",
            "section=",
        ]);
        assert_eq!((article.headline.as_str(), article.section.as_str()), ("Ferry = late", ""));
        assert_eq!(article.dateline.unwrap().place, "LONDON");
        assert_eq!(article.tags, ["sea", "port"]);
        assert_eq!(article.authors[1].name, "John Roe");
        assert_eq!(article.publish_time.unwrap().seconds, 1_795_507_200);
        assert_eq!(article.publish_time_precision, 3);
        for invalid in ["headline", "colour=red", "dateline.colour=red", "blocks=x", "body=@/no/such/file"] {
            assert!(Change::parse(invalid).is_err(), "{invalid}");
        }
    }
}
