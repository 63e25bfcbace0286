//! Bulk statements with one array parameter per column: one round trip for any number of rows.

use std::fmt::Write;

use tokio_postgres::types::{ToSql, Type};

use super::pool::Param;

type Column = Box<dyn ToSql + Sync + Send>;

/// Builder of a bulk statement.
pub(super) struct Bulk {
    table: &'static str,
    /// Number of changes of the group, by which the feed has been advanced.
    changes: i64,
    names: Vec<&'static str>,
    expressions: Vec<String>,
    values: Vec<(Column, Type)>,
    rows: usize,
}

/// Statement with its values.
pub(super) struct Statement {
    pub(super) sql: String,
    changes: i64,
    values: Vec<(Column, Type)>,
}

impl Statement {
    pub(super) fn params(&self) -> Vec<Param<'_>> {
        let changes: Param<'_> = (&self.changes, Type::INT8);
        let values = self.values.iter().map(|(column, of)| (&**column as &(dyn ToSql + Sync), of.clone()));
        std::iter::once(changes).chain(values).collect()
    }
}

impl Bulk {
    /// Creates a statement on a table, for a group of this many changes.
    pub(super) fn new(table: &'static str, changes: usize) -> Self {
        let changes = changes as i64;
        Self { table, changes, names: Vec::new(), expressions: Vec::new(), values: Vec::new(), rows: 0 }
    }

    /// Adds a column of plain values; `of` is the type of the array.
    pub(super) fn column<T>(&mut self, name: &'static str, of: Type, values: Vec<T>)
    where
        Vec<T>: ToSql + Sync + Send + 'static,
    {
        self.add(name, format!("t.{name}"), of, values);
    }

    /// Adds a column of keys or positions. Negative values belong to this group, and count from the feed's position
    /// before it.
    pub(super) fn placed<T>(&mut self, name: &'static str, values: Vec<T>)
    where
        Vec<T>: ToSql + Sync + Send + 'static,
    {
        let expression = format!("CASE WHEN t.{name} < 0 THEN f.base - t.{name} ELSE t.{name} END");
        self.add(name, expression, Type::INT8_ARRAY, values);
    }

    /// Adds a column of values that are sent as text and cast.
    pub(super) fn cast(&mut self, name: &'static str, to: &str, values: Vec<String>) {
        self.add(name, format!("t.{name}::{to}"), Type::TEXT_ARRAY, values);
    }

    fn add<T>(&mut self, name: &'static str, expression: String, of: Type, values: Vec<T>)
    where
        Vec<T>: ToSql + Sync + Send + 'static,
    {
        self.rows = values.len();
        self.names.push(name);
        self.expressions.push(expression);
        self.values.push((Box::new(values), of));
    }

    /// Builds an insert. None without rows.
    pub(super) fn insert(self) -> Option<Statement> {
        self.finish("")
    }

    /// Builds an insert of the rows whose value of `key` is not there. None without rows.
    pub(super) fn insert_unless(self, key: &str) -> Option<Statement> {
        self.finish(&format!(" ON CONFLICT ({key}) DO NOTHING"))
    }

    /// Builds an upsert by `key`, which leaves `constant` columns unchanged. None without rows.
    pub(super) fn upsert(self, key: &[&str], constant: &[&str]) -> Option<Statement> {
        let changing = self.names.iter().filter(|name| !key.contains(name) && !constant.contains(name));
        let changing: Vec<String> = changing.map(|name| format!("{name} = excluded.{name}")).collect();
        let clause = format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), changing.join(", "));
        self.finish(&clause)
    }

    /// Builds an update of the first column: rows that have its value get that of the second. None without rows.
    pub(super) fn replace(self) -> Option<Statement> {
        let (table, from, name) = (self.table, self.from(), *self.names.first()?);
        let [value, new] = &self.expressions[..] else { return None };
        let sql = format!("UPDATE {table} d SET {name} = {new} FROM {from} WHERE d.{name} = {value}");
        self.with(sql)
    }

    /// Builds a delete of the rows that have all of these values. None without rows.
    pub(super) fn delete(self) -> Option<Statement> {
        let (table, from) = (self.table, self.from());
        let same = self.names.iter().zip(&self.expressions).map(|(name, value)| format!("d.{name} = {value}"));
        let same: Vec<String> = same.collect();
        let sql = format!("DELETE FROM {table} d USING {from} WHERE {}", same.join(" AND "));
        self.with(sql)
    }

    /// Builds a statement of which the caller writes the text, with the source of rows `t`, and the expressions of its
    /// columns. None without rows.
    pub(super) fn custom(self, sql: impl FnOnce(&str, &[String]) -> String) -> Option<Statement> {
        let sql = sql(&self.from(), &self.expressions);
        self.with(sql)
    }

    fn finish(self, clause: &str) -> Option<Statement> {
        let (table, from) = (self.table, self.from());
        let (names, values) = (self.names.join(", "), self.expressions.join(", "));
        let sql = format!("INSERT INTO {table} ({names}) SELECT {values} FROM {from}{clause}");
        self.with(sql)
    }

    fn from(&self) -> String {
        let mut arrays = String::new();
        for at in 0..self.values.len() {
            let comma = if at == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(arrays, "{comma}${}", at + 2);
        }
        let names = self.names.join(", ");
        // LIMIT helps the planner: see `feed::touched`.
        format!("(SELECT position - $1 AS base FROM copydesk.feed LIMIT 1) f, unnest({arrays}) AS t({names})")
    }

    fn with(self, sql: String) -> Option<Statement> {
        (self.rows > 0).then_some(Statement { sql, changes: self.changes, values: self.values })
    }
}

/// Returns an array as text.
pub(super) fn array_text(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
