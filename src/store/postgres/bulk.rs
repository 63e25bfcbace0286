//! Statements that take a column of values for each column of a table: one round trip, however many rows.

use std::fmt::Write;

use tokio_postgres::types::{ToSql, Type};

use super::pool::Param;

type Column = Box<dyn ToSql + Sync + Send>;

/// A statement that grows by columns.
pub(super) struct Bulk {
    table: &'static str,
    /// How many changes the group makes: the feed has been moved on by so many.
    changes: i64,
    names: Vec<&'static str>,
    expressions: Vec<String>,
    values: Vec<(Column, Type)>,
    rows: usize,
}

/// A statement with its values.
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
    /// Into a table, within a group of so many changes.
    pub(super) fn new(table: &'static str, changes: usize) -> Self {
        let changes = changes as i64;
        Self { table, changes, names: Vec::new(), expressions: Vec::new(), values: Vec::new(), rows: 0 }
    }

    /// A column of plain values; `of` is the type of the array.
    pub(super) fn column<T>(&mut self, name: &'static str, of: Type, values: Vec<T>)
    where
        Vec<T>: ToSql + Sync + Send + 'static,
    {
        self.add(name, format!("t.{name}"), of, values);
    }

    /// A column of keys or positions: what is below 0 is of this group, and counted from where the feed was before it.
    pub(super) fn placed<T>(&mut self, name: &'static str, values: Vec<T>)
    where
        Vec<T>: ToSql + Sync + Send + 'static,
    {
        let expression = format!("CASE WHEN t.{name} < 0 THEN f.base - t.{name} ELSE t.{name} END");
        self.add(name, expression, Type::INT8_ARRAY, values);
    }

    /// A column of values that are sent as text.
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

    /// Adds the rows; nothing when there are none.
    pub(super) fn insert(self) -> Option<Statement> {
        self.finish("")
    }

    /// Adds the rows, or replaces those with the same key, except for the columns that never change.
    pub(super) fn upsert(self, key: &[&str], constant: &[&str]) -> Option<Statement> {
        let changing = self.names.iter().filter(|name| !key.contains(name) && !constant.contains(name));
        let changing: Vec<String> = changing.map(|name| format!("{name} = excluded.{name}")).collect();
        let clause = format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), changing.join(", "));
        self.finish(&clause)
    }

    /// Takes the rows out that have all of these values.
    pub(super) fn delete(self) -> Option<Statement> {
        let (table, from) = (self.table, self.from());
        let same = self.names.iter().zip(&self.expressions).map(|(name, value)| format!("d.{name} = {value}"));
        let same: Vec<String> = same.collect();
        let sql = format!("DELETE FROM {table} d USING {from} WHERE {}", same.join(" AND "));
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
            // A String takes whatever is written to it.
            let _ = write!(arrays, "{comma}${}", at + 2);
        }
        let names = self.names.join(", ");
        // The limit is for the planner: see `feed::touched`.
        format!("(SELECT position - $1 AS base FROM copydesk.feed LIMIT 1) f, unnest({arrays}) AS t({names})")
    }

    fn with(self, sql: String) -> Option<Statement> {
        (self.rows > 0).then_some(Statement { sql, changes: self.changes, values: self.values })
    }
}
