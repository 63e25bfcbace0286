//! Ingest into PostgreSQL compared with COPY of the same rows into the same tables, and the lag of the search index at
//! a steady rate.

use std::time::{Duration, Instant};

use futures::{SinkExt, TryStreamExt, pin_mut};

use crate::Result;
use crate::args::Args;
use crate::articles::Articles;
use crate::process::Process;
use crate::support::database::{Cluster, Database};
use crate::table::Table;
use crate::writes;

const ARTICLES: u64 = 20_000;
const ROUNDS: usize = 3;
/// Tables with rows of a ready article.
const TABLES: [&str; 7] = ["texts", "articles", "changes", "facets", "keys", "article_sketches", "article_anchors"];
/// Articles a second, and the duration.
const PACE: (u64, Duration) = (1_000, Duration::from_secs(20));

/// Measures both in turn, each time in an empty database.
pub async fn copy(args: &Args, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let (mut ingested, mut copied) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        eprintln!("ingest of {ARTICLES} articles, and COPY of the same, round {round}");
        let full = cluster.database_without_template().await;
        let server = Process::replica(args, &[("store", &full.url), ("cache", "off")])?;
        let mut rows = Table::new(args);
        writes::ready(&server, args, ARTICLES, &mut rows).await?;
        ingested.push(rows.rate(0).ok_or("nothing was measured")?);
        server.stop()?;
        let empty = cluster.database_without_template().await;
        copied.push(ARTICLES as f64 / copy_tables(&full, &empty).await?.as_secs_f64());
    }
    let rate = |rates: &[f64]| rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(", ");
    table.fact("ingest, durable, articles/s", rate(&ingested));
    table.fact("COPY of the same rows, articles/s", rate(&copied));
    let ratios: Vec<String> = ingested.iter().zip(&copied).map(|(ours, copy)| format!("{:.2}", ours / copy)).collect();
    table.fact("  ratio, of each pair", ratios.join(", "));
    Ok(())
}

/// Copies in one transaction. The rows are in memory before the clock starts.
async fn copy_tables(from: &Database, to: &Database) -> Result<Duration> {
    let (source, target) = (from.client().await, to.client().await);
    let mut rows = Vec::new();
    for table in TABLES {
        let sql = format!("COPY copydesk.{table} TO STDOUT (FORMAT binary)");
        rows.push(source.copy_out(&sql).await?.try_collect::<Vec<_>>().await?);
    }
    let began = Instant::now();
    target.batch_execute("BEGIN").await?;
    for (table, rows) in TABLES.into_iter().zip(rows) {
        let sink = target.copy_in(&format!("COPY copydesk.{table} FROM STDIN (FORMAT binary)")).await?;
        pin_mut!(sink);
        for row in rows {
            sink.feed(row).await?;
        }
        sink.finish().await?;
    }
    target.batch_execute("COMMIT").await?;
    Ok(began.elapsed())
}

/// Measures the age of the oldest change missing from search, ten times a second.
pub async fn search_lag(args: &Args, cluster: &Cluster, table: &mut Table) -> Result<()> {
    let (rate, time) = PACE;
    eprintln!("{rate} articles a second for {} s", time.as_secs());
    let database = cluster.database_without_template().await;
    let server = Process::replica(args, &[("store", &database.url), ("cache", "off")])?;
    let articles = Articles::new();
    let count = rate * time.as_secs();
    let every = Duration::from_secs(1) / rate as u32;
    let channel = server.channel().await?;
    let began = Instant::now();
    let sending = tokio::spawn(writes::paced(channel, count, every, move |number| articles.document(number)));
    let mut lags = Vec::new();
    while !sending.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        lags.push(server.metric("copydesk_search_lag_seconds").await?);
    }
    sending.await??;
    let took = began.elapsed().as_secs_f64();
    lags.sort_by(f64::total_cmp);
    let at = |share: f64| lags.get((lags.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    table.fact("search lag at a steady rate", {
        let (p50, p99) = (at(0.5), at(0.99));
        format!("p50 {p50:.2} s, p99 {p99:.2} s of {} samples, at {:.0} articles/s", lags.len(), count as f64 / took)
    });
    server.stop()
}
