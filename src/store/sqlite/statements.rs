//! Statements of the writer: changes, provenance, request IDs and articles with equal texts.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::rows;
use crate::article::{ChangeKind, CleanArticle, EditorFields, Lifecycle, RecordParts};
use crate::store::enum_codes;
use crate::store::enum_codes::{head, kind_number, lifecycle_number, micros};
use crate::store::near_duplicates::CopyOf;
use crate::store::plan::{Provenance, time_of};
use crate::store::{IngestSource, Write};

/// Row of `changes`.
pub(super) struct ChangeRow<'a> {
    pub(super) article: i64,
    pub(super) kind: ChangeKind,
    pub(super) announced: bool,
    pub(super) reason: &'a str,
    /// Position of the change that contains the text, if it is not this one.
    pub(super) content_position: Option<i64>,
}

/// Deletes requests from before a time.
pub(super) fn trim_requests(connection: &Connection, before: Timestamp) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM requests WHERE time < ?1")?.execute([before.as_microsecond()])
}

/// Stores a change. `content` is its text, if it is new.
pub(super) fn insert_change(
    connection: &Connection,
    parts: &RecordParts,
    row: &ChangeRow<'_>,
    content: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let position = rows::sequence(parts.token.position);
    connection
        .prepare_cached(
            "INSERT INTO changes (position, article, revision, kind, time, announced, lifecycle, embargo, expire,
             publish, deleted, digest, reason, content_position, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(rusqlite::params![
            position,
            row.article,
            parts.revision,
            kind_number(row.kind),
            parts.update_time.as_microsecond(),
            row.announced,
            lifecycle_number(parts.lifecycle),
            micros(parts.embargo_time),
            micros(parts.expire_time),
            micros(parts.publish_time),
            micros(parts.delete_time),
            parts.digest.0,
            row.reason,
            row.content_position.unwrap_or(position),
            content,
        ])?;
    Ok(())
}

/// Stores the provenance of an article that does not change otherwise.
pub(super) fn store_provenance(connection: &Connection, key: i64, provenance: &Provenance) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE articles SET fingerprint = ?2, editor_fields = ?3, source_time = ?4, source_version = ?5,
             observed = ?6 WHERE key = ?1",
        )?
        .execute((
            key,
            provenance.ingested.0,
            provenance.editor_fields.bits(),
            micros(provenance.version.stated),
            provenance.version.number,
            micros(provenance.version.observed),
        ))?;
    Ok(())
}

/// Returns the state of an article that has exactly the text of a write. First come withdrawn articles with the text
/// of an ingested document, of its source, or of any if they were withdrawn with their copies: a kill holds for the
/// text under any key. Then come readable articles other than the one of the write, which has this row key and update
/// time if it exists.
pub(super) fn twin(
    connection: &Connection,
    write: &Write,
    article: &CleanArticle,
    except: Option<(i64, Timestamp)>,
) -> rusqlite::Result<Option<CopyOf>> {
    // For a document that an editor has corrected, `article` is the stored one.
    let (digest, source) = match write {
        Write::Ingest(ingest) if matches!(ingest.from, IngestSource::Publisher(_)) => {
            (ingest.article.digest(), Some(&ingest.article.article().source))
        }
        _ => (article.digest(), None),
    };
    // Clocks may step back; update times must not.
    let now = except.map_or(time_of(write), |(_, updated)| time_of(write).max(updated));
    let found: Option<(String, i64, bool)> = connection
        .prepare_cached(
            "SELECT a.id, a.lifecycle, a.editor_fields & ?6 <> 0
             FROM articles a JOIN changes c ON c.position = a.position
             WHERE a.digest_head = ?1 AND c.digest = ?2
             AND (a.lifecycle = 1 AND ?5 IS NOT NULL AND (a.source = ?5 OR a.editor_fields & ?6 <> 0)
             OR a.key <> ?3 AND a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= ?4)
             AND (a.expire IS NULL OR a.expire > ?4))
             ORDER BY a.lifecycle = 1 DESC, a.editor_fields & ?6 <> 0 DESC, a.key LIMIT 1",
        )?
        .query_row(
            (
                head(&digest),
                digest.0,
                except.map_or(0, |(key, _)| key),
                now.as_microsecond(),
                source,
                EditorFields::COPIES.bits(),
            ),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    Ok(found.and_then(|(id, lifecycle, with_copies)| {
        Some(match (enum_codes::lifecycle(lifecycle), with_copies) {
            (Lifecycle::Withdrawn, true) => CopyOf::Withdrawn(id.parse().ok()?),
            (Lifecycle::Withdrawn, false) => CopyOf::SameText(id.parse().ok()?),
            _ => CopyOf::Readable,
        })
    }))
}
