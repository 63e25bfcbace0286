//! The ranking of others on the same set: SQLite's FTS5 with bm25, and PostgreSQL's full-text search with ts_rank.

use rusqlite::{Connection, params};
use tokio_postgres::NoTls;

use crate::Result;
use crate::judged::{JudgedArticle, JudgedSet};
use crate::support::database::{Cluster, USER};

/// Returns the words of a query in the syntax of FTS5: words, phrases and exclusions.
fn fts5_query(query: &str) -> String {
    let mut words = Vec::new();
    let mut excluded = Vec::new();
    let mut or = false;
    for (is_quoted, part) in parts(query) {
        if !is_quoted && part == "OR" {
            or = true;
            continue;
        }
        let (is_excluded, text) = match part.strip_prefix('-') {
            Some(text) if !is_quoted => (true, text),
            _ => (false, part.as_str()),
        };
        let quoted = format!("\"{}\"", text.replace('"', ""));
        match (is_excluded, or) {
            (true, _) => excluded.push(quoted),
            (false, true) => {
                let last: Option<String> = words.pop();
                words.push(last.map_or(quoted.clone(), |last| format!("({last} OR {quoted})")));
            }
            (false, false) => words.push(quoted),
        }
        or = false;
    }
    let included = words.join(" AND ");
    excluded.into_iter().fold(included, |query, word| format!("({query}) NOT {word}"))
}

fn parts(query: &str) -> Vec<(bool, String)> {
    let mut parts = Vec::new();
    for (at, section) in query.split('"').enumerate() {
        match at % 2 {
            1 => parts.push((true, section.to_owned())),
            _ => parts.extend(section.split_whitespace().map(|word| (false, word.to_owned()))),
        }
    }
    parts
}

fn names(article: &JudgedArticle) -> String {
    format!("{}\n{}\n{}", article.author, article.section, article.tags.join("\n"))
}

/// Ranks by FTS5: weights 5 for headlines, 2 for names and 1 for the rest.
pub fn fts5(set: &JudgedSet) -> Result<Vec<Vec<String>>> {
    let database = Connection::open_in_memory()?;
    database.execute_batch(
        "CREATE VIRTUAL TABLE fts USING fts5 (headline, subheadline, body, names,
         tokenize = \"unicode61 remove_diacritics 2\")",
    )?;
    for (at, article) in set.articles.iter().enumerate() {
        database.execute(
            "INSERT INTO fts (rowid, headline, subheadline, body, names) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![at as i64, article.headline, article.subheadline, article.body, names(article)],
        )?;
    }
    let select = "SELECT rowid FROM fts WHERE fts MATCH ?1 ORDER BY bm25(fts, 5.0, 2.0, 1.0, 2.0) LIMIT 10";
    let mut statement = database.prepare(select)?;
    let mut ranked = Vec::new();
    for query in &set.queries {
        let found = statement.query_map([fts5_query(&query.query)], |row| row.get::<_, i64>(0))?;
        let found: rusqlite::Result<Vec<i64>> = found.collect();
        ranked.push(found?.into_iter().map(|at| set.articles[at as usize].id.clone()).collect());
    }
    Ok(ranked)
}

/// Ranks by PostgreSQL: with the stemmer of each language, or without stems.
pub async fn postgres(set: &JudgedSet, stems: bool) -> Result<Vec<Vec<String>>> {
    let cluster = Cluster::start(false);
    let (client, connection) = tokio_postgres::connect(&cluster.url("postgres"), NoTls).await?;
    let _connection = tokio::spawn(connection);
    let configuration = |language: &str| match language {
        "en" if stems => "english",
        "de" if stems => "german",
        "fr" if stems => "french",
        "ru" if stems => "russian",
        "hy" if stems => "armenian",
        _ => "simple",
    };
    client.batch_execute("CREATE TABLE article (number bigint PRIMARY KEY, words tsvector)").await?;
    let insert = "INSERT INTO article VALUES ($1, setweight(to_tsvector($2::text::regconfig, $3), 'A') ||
        setweight(to_tsvector($2::text::regconfig, $4), 'B') || setweight(to_tsvector($2::text::regconfig, $5), 'C') ||
        setweight(to_tsvector($2::text::regconfig, $6), 'D'))";
    for (at, article) in set.articles.iter().enumerate() {
        let configuration = configuration(&article.language);
        let names = names(article);
        client
            .execute(
                insert,
                &[&(at as i64), &configuration, &article.headline, &article.subheadline, &names, &article.body],
            )
            .await?;
    }
    let select = "SELECT number FROM article, websearch_to_tsquery($1::text::regconfig, $2) AS query
        WHERE words @@ query ORDER BY ts_rank('{0.2, 0.4, 0.4, 1.0}', words, query, 1) DESC, number LIMIT 10";
    let mut ranked = Vec::new();
    for query in &set.queries {
        let text = query.query.replace(" OR ", " or ");
        let rows = client.query(select, &[&configuration(&query.language), &text]).await?;
        let found = rows.iter().map(|row| set.articles[row.get::<_, i64>(0) as usize].id.clone());
        ranked.push(found.collect());
    }
    let _user = USER;
    Ok(ranked)
}
