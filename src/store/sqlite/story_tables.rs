//! Memberships of articles in stories, merges of stories, and how far articles are grouped.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::rows::{parse, position, sequence};
use crate::article::{ArticleId, StoryId};
use crate::store::enum_codes::{micros, time};
use crate::store::{FeedCursor, GroupedUntil, GroupingStep, NumberedMember, StoryMember};

/// Columns of a membership `m` of the article `a`.
const MEMBER: &str = "m.number, a.id, m.story, m.by_editor, m.report";

/// Returns how far articles are grouped.
pub(super) fn grouped_until(connection: &Connection) -> rusqlite::Result<GroupedUntil> {
    connection.prepare_cached("SELECT number, sequence, time FROM grouping")?.query_row((), |row| {
        let at = FeedCursor { position: position(row.get(1)?), time: row.get::<_, Option<i64>>(2)?.map(time) };
        Ok(GroupedUntil { number: row.get::<_, i64>(0)?.unsigned_abs(), cursor: at })
    })
}

/// Applies a step. Returns none, without effect, if the state is not the one that it continues from.
pub(super) fn apply(connection: &Connection, step: &GroupingStep) -> rusqlite::Result<Option<GroupedUntil>> {
    let found = grouped_until(connection)?;
    if (found.number, found.cursor.position) != (step.from.number, step.from.cursor.position) {
        return Ok(None);
    }
    let mut number = stored(found.number);
    let renumbered = step.renumbered.iter().map(|id| key_of_member(connection, id));
    let renumbered: Vec<Option<i64>> = renumbered.collect::<rusqlite::Result<_>>()?;
    for article in merge_all(connection, &step.merges)?.into_iter().chain(renumbered.into_iter().flatten()) {
        number += 1;
        connection
            .prepare_cached("UPDATE story_members SET number = ?2 WHERE article = ?1")?
            .execute((article, number))?;
    }
    for member in &step.members {
        number += 1;
        insert(connection, member, number)?;
    }
    connection.prepare_cached("UPDATE grouping SET number = ?1, sequence = ?2, time = ?3")?.execute((
        number,
        sequence(step.until.position),
        micros(step.until.time),
    ))?;
    grouped_until(connection).map(Some)
}

/// Stores a membership, unless the article is unknown. A story with a member is not part of another one.
fn insert(connection: &Connection, member: &StoryMember, number: i64) -> rusqlite::Result<()> {
    let story = member.story.as_uuid().into_bytes();
    // The article may have been purged after the step was prepared.
    let inserted = connection
        .prepare_cached(
            "INSERT INTO story_members (article, story, number, by_editor, report)
             SELECT key, ?2, ?3, ?4, CASE WHEN lifecycle = 5 THEN x'' ELSE ?5 END FROM articles WHERE id = ?1
             ON CONFLICT (article) DO UPDATE SET story = excluded.story, number = excluded.number,
                 by_editor = excluded.by_editor, report = excluded.report",
        )?
        .execute((member.article.as_str(), story, number, member.by_editor, &member.report))?;
    if inserted > 0 {
        connection.prepare_cached("DELETE FROM story_merges WHERE story = ?1")?.execute([story])?;
    }
    Ok(())
}

/// Applies merges in order. Returns the keys of the articles that have another story then, in the order of their
/// numbers.
fn merge_all(connection: &Connection, merges: &[(StoryId, StoryId)]) -> rusqlite::Result<Vec<i64>> {
    // By the number, as before the first merge of their story.
    let mut before: BTreeMap<i64, (i64, StoryId)> = BTreeMap::new();
    for (former, heir) in merges {
        let mut members = connection.prepare_cached("SELECT number, article FROM story_members WHERE story = ?1")?;
        let mut rows = members.query([former.as_uuid().into_bytes()])?;
        while let Some(row) = rows.next()? {
            before.entry(row.get(0)?).or_insert((row.get(1)?, *former));
        }
        merge(connection, *former, *heir)?;
    }
    let mut moved = Vec::with_capacity(before.len());
    let mut found = connection.prepare_cached("SELECT story FROM story_members WHERE article = ?1")?;
    for (article, had) in before.into_values() {
        if found.query_row([article], |row| story(row, 0))? != had {
            moved.push(article);
        }
    }
    Ok(moved)
}

/// Returns the key of an article that has a membership.
fn key_of_member(connection: &Connection, id: &ArticleId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT m.article FROM articles a JOIN story_members m ON m.article = a.key WHERE a.id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

/// Makes a story part of another one, with its members and the stories that are part of it.
fn merge(connection: &Connection, former: StoryId, heir: StoryId) -> rusqlite::Result<()> {
    if former == heir {
        return Ok(());
    }
    let (former, heir) = (former.as_uuid().into_bytes(), heir.as_uuid().into_bytes());
    connection.prepare_cached("DELETE FROM story_merges WHERE story = ?1")?.execute([heir])?;
    connection.prepare_cached("UPDATE story_members SET story = ?2 WHERE story = ?1")?.execute((former, heir))?;
    connection.prepare_cached("UPDATE story_merges SET heir = ?2 WHERE heir = ?1")?.execute((former, heir))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO story_merges (story, heir) VALUES (?1, ?2)")?
        .execute((former, heir))?;
    Ok(())
}

/// Returns at most `limit` memberships after a number, in order; with `only_needed` those with a report.
pub(super) fn changed(
    connection: &Connection,
    after: u64,
    limit: usize,
    only_needed: bool,
) -> rusqlite::Result<Vec<NumberedMember>> {
    let needed = if only_needed { "AND m.report <> x''" } else { "" };
    let sql = format!(
        "SELECT {MEMBER} FROM story_members m JOIN articles a ON a.key = m.article
         WHERE m.number > ?1 {needed} ORDER BY m.number LIMIT ?2"
    );
    connection.prepare_cached(&sql)?.query_map((stored(after), at_most(limit)), member)?.collect()
}

/// Returns at most `limit` memberships of a story after a number, in order.
pub(super) fn of_story(
    connection: &Connection,
    story: StoryId,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<NumberedMember>> {
    let sql = format!(
        "SELECT {MEMBER} FROM story_members m JOIN articles a ON a.key = m.article
         WHERE m.story = ?1 AND m.number > ?2 ORDER BY m.number LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map((story.as_uuid().into_bytes(), stored(after), at_most(limit)), member)?.collect()
}

/// Returns the present stories for names of stories, each once: those that former ones have become part of.
pub(super) fn present(connection: &Connection, stories: &[StoryId]) -> rusqlite::Result<Vec<StoryId>> {
    let mut present = Vec::with_capacity(stories.len());
    for story in stories {
        present.push(heir_of(connection, *story)?.unwrap_or(*story));
    }
    present.sort_unstable();
    present.dedup();
    Ok(present)
}

/// Returns the articles of stories, at most `limit` of each, in the order of the numbers of their memberships.
pub(super) fn articles_of(
    connection: &Connection,
    stories: &[StoryId],
    limit: usize,
) -> rusqlite::Result<Vec<(StoryId, ArticleId)>> {
    // One transaction, so that no merge comes in between.
    let _moment = connection.unchecked_transaction()?;
    let mut statement = connection.prepare_cached(
        "SELECT a.id FROM story_members m JOIN articles a ON a.key = m.article
         WHERE m.story = ?1 ORDER BY m.number LIMIT ?2",
    )?;
    let mut found = Vec::new();
    for story in present(connection, stories)? {
        let key = (story.as_uuid().into_bytes(), at_most(limit));
        for id in statement.query_map(key, |row| parse(row, 0))? {
            found.push((story, id?));
        }
    }
    Ok(found)
}

/// Returns the story of an article.
pub(super) fn story_of(connection: &Connection, id: &ArticleId) -> rusqlite::Result<Option<StoryId>> {
    connection
        .prepare_cached("SELECT m.story FROM articles a JOIN story_members m ON m.article = a.key WHERE a.id = ?1")?
        .query_row([id.as_str()], |row| story(row, 0))
        .optional()
}

/// Returns the story that another one is part of.
pub(super) fn heir_of(connection: &Connection, former: StoryId) -> rusqlite::Result<Option<StoryId>> {
    connection
        .prepare_cached("SELECT heir FROM story_merges WHERE story = ?1")?
        .query_row([former.as_uuid().into_bytes()], |row| story(row, 0))
        .optional()
}

/// Empties the report of an article.
pub(super) fn erase(connection: &Connection, article: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE story_members SET report = x'' WHERE article = ?1")?.execute([article])?;
    Ok(())
}

/// Reads the columns of [`MEMBER`].
fn member(row: &Row<'_>) -> rusqlite::Result<NumberedMember> {
    let member =
        StoryMember { article: parse(row, 1)?, story: story(row, 2)?, by_editor: row.get(3)?, report: row.get(4)? };
    Ok(NumberedMember { number: row.get::<_, i64>(0)?.unsigned_abs(), member })
}

fn story(row: &Row<'_>, column: usize) -> rusqlite::Result<StoryId> {
    row.get(column).map(|bytes| StoryId::from(Uuid::from_bytes(bytes)))
}

/// Returns the stored form of a number. One that cannot be stored is after all that are.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
