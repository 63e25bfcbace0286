//! Memberships of articles in stories, merges of stories, and how far articles are grouped.
//!
//! A step locks the row of `grouping` until it is committed. A purge locks it too, so that no step stores the report of
//! an article that is being purged.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::store_error;
use super::feed::at_most;
use super::pool::{Connection, Param, Pool};
use super::reader::Reader;
use super::rows::{article_id, get, position, sequence};
use super::transaction;
use crate::article::{ArticleId, StoryId};
use crate::store::enum_codes::{micros, time};
use crate::store::{FeedCursor, GroupedUntil, GroupingStep, NumberedMember, StoreError, StoryMember};

/// Columns of a membership `m` of the article `a`.
const MEMBER: &str = "m.number, a.id, m.story, m.by_editor, m.report";

/// Reads how far articles are grouped.
pub(super) async fn grouped_until(reader: &impl Reader) -> Result<GroupedUntil, StoreError> {
    let rows = reader.query("SELECT number, sequence, time FROM copydesk.grouping", &[]).await?;
    rows.first().map_or(Err(StoreError::Damaged), state)
}

/// Applies a step in one transaction. Returns none, without effect, if the state is not the one that it continues from.
pub(super) async fn apply(pool: &Pool, step: &GroupingStep) -> Result<Option<GroupedUntil>, StoreError> {
    let (connection, limit) = (pool.connection().await?, pool.statement_timeout());
    let begin = transaction::begin(limit);
    let Ok(done) = tokio::time::timeout(limit * 2, pool.guard(transact(&connection, &begin, step))).await else {
        tracing::error!("transaction of a grouping step timed out; its outcome is unknown");
        return Err(StoreError::Unavailable("it took too long"));
    };
    // After an error the connection is closed, which rolls the transaction back.
    let state = done?;
    connection.release();
    Ok(state)
}

async fn transact(
    connection: &Connection,
    begin: &str,
    step: &GroupingStep,
) -> Result<Option<GroupedUntil>, StoreError> {
    let failed = |error: tokio_postgres::Error| store_error(&error);
    connection.batch_execute(begin).await.map_err(failed)?;
    let from = stored(step.from.number);
    let (at, until) = (sequence(step.from.cursor.position), sequence(step.until.position));
    let (until_time, count) = (micros(step.until.time), step.members.len() as i64);
    let advance = "UPDATE copydesk.grouping SET number = number + $3, sequence = $4, time = $5
         WHERE number = $1 AND sequence = $2 RETURNING number, sequence, time";
    let params: [Param<'_>; 5] =
        [(&from, Type::INT8), (&at, Type::INT8), (&count, Type::INT8), (&until, Type::INT8), (&until_time, Type::INT8)];
    let rows = connection.query_typed(advance, &params).await.map_err(failed)?;
    let Some(row) = rows.first() else {
        connection.batch_execute("ROLLBACK").await.map_err(failed)?;
        return Ok(None);
    };
    let mut state = state(row)?;
    let mut renumbered = 0;
    if !step.merges.is_empty() {
        renumbered += store_merges(connection, from, &Merges::of(&step.merges)).await.map_err(failed)?;
    }
    if !step.renumbered.is_empty() {
        renumbered += renumber(connection, from + renumbered, &step.renumbered).await.map_err(failed)?;
    }
    if renumbered > 0 {
        let advance = "UPDATE copydesk.grouping SET number = number + $1";
        connection.execute_typed(advance, &[(&renumbered, Type::INT8)]).await.map_err(failed)?;
        state.number += renumbered.unsigned_abs();
    }
    if count > 0 {
        store_members(connection, from + renumbered, &step.members).await.map_err(failed)?;
    }
    connection.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(Some(state))
}

/// Stores memberships with the numbers after `from`, without those of unknown articles. A story with a member is not
/// part of another one.
async fn store_members(
    connection: &Connection,
    from: i64,
    members: &[StoryMember],
) -> Result<(), tokio_postgres::Error> {
    // The article may have been purged after the step was prepared.
    let upsert = "INSERT INTO copydesk.story_members (article, story, number, by_editor, report)
         SELECT a.key, t.story, $1 + t.at, t.by_editor, CASE WHEN a.lifecycle = 5 THEN '' ELSE t.report END
         FROM unnest($2, $3, $4, $5) WITH ORDINALITY t(id, story, by_editor, report, at)
         JOIN copydesk.articles a ON a.id = t.id ORDER BY t.at
         ON CONFLICT (article) DO UPDATE SET story = excluded.story, number = excluded.number,
             by_editor = excluded.by_editor, report = excluded.report";
    let ids: Vec<&str> = members.iter().map(|member| member.article.as_str()).collect();
    let stories: Vec<Uuid> = members.iter().map(|member| member.story.as_uuid()).collect();
    let by_editor: Vec<bool> = members.iter().map(|member| member.by_editor).collect();
    let reports: Vec<&[u8]> = members.iter().map(|member| member.report.as_slice()).collect();
    let params: [Param<'_>; 5] = [
        (&from, Type::INT8),
        (&ids, Type::TEXT_ARRAY),
        (&stories, Type::UUID_ARRAY),
        (&by_editor, Type::BOOL_ARRAY),
        (&reports, Type::BYTEA_ARRAY),
    ];
    connection.execute_typed(upsert, &params).await?;
    let separate = "DELETE FROM copydesk.story_merges g USING copydesk.story_members m
         WHERE m.number > $1 AND g.story = m.story";
    connection.execute_typed(separate, &[(&from, Type::INT8)]).await.map(drop)
}

/// Gives the memberships of articles the numbers after `from`, in the order of `ids`. Returns their number.
async fn renumber(connection: &Connection, from: i64, ids: &[ArticleId]) -> Result<i64, tokio_postgres::Error> {
    let ids: Vec<&str> = ids.iter().map(ArticleId::as_str).collect();
    let sql = "UPDATE copydesk.story_members m SET number = $1 + t.at FROM (
             SELECT m.article, row_number() OVER (ORDER BY w.at) AS at
             FROM unnest($2) WITH ORDINALITY w(id, at) JOIN copydesk.articles a ON a.id = w.id
             JOIN copydesk.story_members m ON m.article = a.key
         ) t WHERE m.article = t.article";
    let params: [Param<'_>; 2] = [(&from, Type::INT8), (&ids, Type::TEXT_ARRAY)];
    connection.execute_typed(sql, &params).await.map(row_count)
}

/// Returns a number of rows as a number of memberships.
fn row_count(changed: u64) -> i64 {
    i64::try_from(changed).unwrap_or(i64::MAX)
}

/// Stores the effect of merges. The members that get another story have the numbers after `from` then. Returns their
/// number.
async fn store_merges(connection: &Connection, from: i64, merges: &Merges) -> Result<i64, tokio_postgres::Error> {
    let separate: Vec<Uuid> = merges.rows.iter().filter(|(_, heir)| heir.is_none()).map(|(story, _)| *story).collect();
    let merged = merges.rows.iter().filter_map(|(story, heir)| Some((*story, (*heir)?)));
    let (stories, heirs): (Vec<Uuid>, Vec<Uuid>) = merged.unzip();
    let replaced = merges.heirs.iter().filter(|(old, new)| old != new);
    let (old_heirs, new_heirs): (Vec<Uuid>, Vec<Uuid>) = replaced.map(|(old, new)| (*old, *new)).unzip();
    let delete = "DELETE FROM copydesk.story_merges WHERE story = ANY($1)";
    connection.execute_typed(delete, &[(&separate, Type::UUID_ARRAY)]).await?;
    let replace = "UPDATE copydesk.story_merges g SET heir = t.new_heir FROM unnest($1, $2) t(heir, new_heir)
         WHERE g.heir = t.heir";
    let params: [Param<'_>; 2] = [(&old_heirs, Type::UUID_ARRAY), (&new_heirs, Type::UUID_ARRAY)];
    connection.execute_typed(replace, &params).await?;
    let moved = "UPDATE copydesk.story_members m SET story = t.new_story, number = $3 + t.at FROM (
             SELECT m.article, s.new_story, row_number() OVER (ORDER BY m.number) AS at
             FROM unnest($1, $2) s(story, new_story) JOIN copydesk.story_members m ON m.story = s.story
         ) t WHERE m.article = t.article";
    let [old, new] = params;
    let moved = connection.execute_typed(moved, &[old, new, (&from, Type::INT8)]).await?;
    let upsert = "INSERT INTO copydesk.story_merges (story, heir) SELECT story, heir FROM unnest($1, $2) t(story, heir)
         ON CONFLICT (story) DO UPDATE SET heir = excluded.heir";
    let params: [Param<'_>; 2] = [(&stories, Type::UUID_ARRAY), (&heirs, Type::UUID_ARRAY)];
    connection.execute_typed(upsert, &params).await?;
    Ok(row_count(moved))
}

/// Effect of the merges of a step, which are applied in order, as one statement of each kind.
#[derive(Default)]
struct Merges {
    /// Rows of the stories that are named: the heir, or none if the story has no row.
    rows: BTreeMap<Uuid, Option<Uuid>>,
    /// Stories that other rows and members have and that are former ones now, with those that replace them. Some are
    /// heirs again.
    heirs: BTreeMap<Uuid, Uuid>,
}

impl Merges {
    fn of(merges: &[(StoryId, StoryId)]) -> Self {
        let mut effect = Self::default();
        for (former, heir) in merges {
            effect.add(former.as_uuid(), heir.as_uuid());
        }
        effect
    }

    fn add(&mut self, former: Uuid, heir: Uuid) {
        if former == heir {
            return;
        }
        self.heirs.entry(former).or_insert(former);
        let rows = self.rows.values_mut().flatten();
        rows.chain(self.heirs.values_mut()).filter(|found| **found == former).for_each(|found| *found = heir);
        self.rows.insert(heir, None);
        self.rows.insert(former, Some(heir));
    }
}

/// Reads at most `limit` memberships after a number, in order; with `only_needed` those with a report.
pub(super) async fn changed(
    reader: &impl Reader,
    after: u64,
    limit: usize,
    only_needed: bool,
) -> Result<Vec<NumberedMember>, StoreError> {
    let needed = if only_needed { "AND m.report <> ''" } else { "" };
    let sql = format!(
        "SELECT {MEMBER} FROM copydesk.story_members m JOIN copydesk.articles a ON a.key = m.article
         WHERE m.number > $1 {needed} ORDER BY m.number LIMIT $2"
    );
    let rows = reader.query(&sql, &[(&stored(after), Type::INT8), (&at_most(limit), Type::INT8)]).await?;
    rows.iter().map(member).collect()
}

/// Reads at most `limit` memberships of a story after a number, in order.
pub(super) async fn of_story(
    reader: &impl Reader,
    story: StoryId,
    after: u64,
    limit: usize,
) -> Result<Vec<NumberedMember>, StoreError> {
    let sql = format!(
        "SELECT {MEMBER} FROM copydesk.story_members m JOIN copydesk.articles a ON a.key = m.article
         WHERE m.story = $1 AND m.number > $2 ORDER BY m.number LIMIT $3"
    );
    let (story, after, limit) = (story.as_uuid(), stored(after), at_most(limit));
    let params: [Param<'_>; 3] = [(&story, Type::UUID), (&after, Type::INT8), (&limit, Type::INT8)];
    reader.query(&sql, &params).await?.iter().map(member).collect()
}

/// Reads the articles of stories, at most `limit` of each, in the order of the numbers of their memberships.
pub(super) async fn articles_of(
    reader: &impl Reader,
    stories: &[StoryId],
    limit: usize,
) -> Result<Vec<(StoryId, ArticleId)>, StoreError> {
    let stories: Vec<Uuid> = stories.iter().map(StoryId::as_uuid).collect();
    // The articles in a subquery, so that the planner does not join all of them.
    let sql = format!(
        "SELECT m.story, (SELECT a.id FROM copydesk.articles a WHERE a.key = m.article)
         FROM (SELECT DISTINCT story FROM unnest({}) w(story)) w
         CROSS JOIN LATERAL (SELECT story, article FROM copydesk.story_members WHERE story = w.story
            ORDER BY number LIMIT $2) m",
        present("$1")
    );
    let limit = at_most(limit);
    let params: [Param<'_>; 2] = [(&stories, Type::UUID_ARRAY), (&limit, Type::INT8)];
    let rows = reader.query(&sql, &params).await?;
    rows.iter().map(|row| Ok((story(row, 0)?, article_id(row, 1)?))).collect()
}

/// Builds the array of the present stories for an array of names: those that former ones have become part of.
pub(super) fn present(names: &str) -> String {
    format!(
        "ARRAY(SELECT coalesce((SELECT g.heir FROM copydesk.story_merges g WHERE g.story = n.story), n.story)
         FROM unnest({names}) n(story))"
    )
}

/// Reads the stories of articles, in the order of `ids`.
pub(super) async fn stories_of(reader: &impl Reader, ids: &[ArticleId]) -> Result<Vec<Option<StoryId>>, StoreError> {
    let names: Vec<&str> = ids.iter().map(ArticleId::as_str).collect();
    let sql = "SELECT m.story, w.at FROM unnest($1) WITH ORDINALITY w(id, at)
         JOIN copydesk.articles a ON a.id = w.id JOIN copydesk.story_members m ON m.article = a.key";
    let mut stories = vec![None; ids.len()];
    for row in reader.query(sql, &[(&names, Type::TEXT_ARRAY)]).await? {
        let at = usize::try_from(get::<i64>(&row, 1)? - 1).map_err(|_| StoreError::Damaged)?;
        *stories.get_mut(at).ok_or(StoreError::Damaged)? = Some(story(&row, 0)?);
    }
    Ok(stories)
}

/// Reads the story that another one is part of.
pub(super) async fn heir_of(reader: &impl Reader, former: StoryId) -> Result<Option<StoryId>, StoreError> {
    let sql = "SELECT heir FROM copydesk.story_merges WHERE story = $1";
    let rows = reader.query(sql, &[(&former.as_uuid(), Type::UUID)]).await?;
    rows.first().map(|row| story(row, 0)).transpose()
}

/// Reads the columns of `grouping`.
fn state(row: &Row) -> Result<GroupedUntil, StoreError> {
    let cursor = FeedCursor { position: position(get(row, 1)?), time: get::<Option<i64>>(row, 2)?.map(time) };
    Ok(GroupedUntil { number: get::<i64>(row, 0)?.unsigned_abs(), cursor })
}

/// Reads the columns of [`MEMBER`].
fn member(row: &Row) -> Result<NumberedMember, StoreError> {
    let (article, story) = (article_id(row, 1)?, story(row, 2)?);
    let member = StoryMember { article, story, by_editor: get(row, 3)?, report: get(row, 4)? };
    Ok(NumberedMember { number: get::<i64>(row, 0)?.unsigned_abs(), member })
}

fn story(row: &Row, column: usize) -> Result<StoryId, StoreError> {
    get::<Uuid>(row, column).map(StoryId::from)
}

/// Returns the stored form of a number. One that cannot be stored is after all that are.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
