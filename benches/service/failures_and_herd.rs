//! Delay of a correction on another replica, failures of Redis, and a thundering herd on one article.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use copydesk::proto::editorial_service_client::EditorialServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{Article, GetArticleRequest, UpdateArticleRequest};
use prost_types::FieldMask;
use tonic::transport::Channel;

use crate::Result;
use crate::args::Args;
use crate::backends::{Backends, answered, warm_up};
use crate::load::{Measured, run};
use crate::process::Process;
use crate::support::database::Database;
use crate::support::redis_server::RedisServer;
use crate::table::Table;

const CORRECTIONS: u32 = 300;
const READERS: usize = 10_000;
/// Number of times that each failure is injected.
const TIMES: usize = 5;
/// Duration of each Redis outage.
const AWAY: Duration = Duration::from_millis(700);
/// Number of readers, and the pause between two reads of each.
const CALLERS: (usize, Duration) = (8, Duration::from_millis(2));

pub async fn all(
    args: &Args,
    mut backends: Backends,
    database: &Database,
    names: &[String],
    table: &mut Table,
) -> Result<()> {
    let redis = backends.redis.url();
    corrections(args, &Backends::settings(&database.url, &redis, "64MiB"), &names[0], table).await?;
    herd(args, &backends, database, &names[1], table).await?;
    away(args, &mut backends.redis, database, &names[..50], table).await
}

/// Measures the time from the answer to a correction on one replica to the first read on another that shows it.
async fn corrections(args: &Args, settings: &[(&str, &str)], name: &str, table: &mut Table) -> Result<()> {
    eprintln!("{CORRECTIONS} corrections, seen on another replica");
    let (here, there) = (Process::replica(args, settings)?, Process::replica(args, settings)?);
    let mut writer = EditorialServiceClient::new(here.channel().await?);
    let mut reader = RetrievalServiceClient::new(there.channel().await?);
    let began = Instant::now();
    let mut seen = Vec::new();
    for number in 0..CORRECTIONS {
        let article = Article { name: name.to_owned(), headline: format!("Correction {number}"), ..Default::default() };
        let request = UpdateArticleRequest {
            article: Some(article),
            update_mask: Some(FieldMask { paths: vec!["headline".into()] }),
            ..Default::default()
        };
        let revision = writer.update_article(request).await?.into_inner().article.unwrap_or_default().revision;
        let answered = Instant::now();
        loop {
            let request = GetArticleRequest { name: name.to_owned(), ..Default::default() };
            let found = reader.get_article(request).await?.into_inner().article.unwrap_or_default();
            if found.revision >= revision {
                break;
            }
        }
        seen.push(answered.elapsed());
    }
    table.row("correction, until another replica shows it", &Measured::new(began.elapsed(), Duration::ZERO, seen));
    here.stop()?;
    there.stop()
}

/// Reads one article from two replicas concurrently, just after their start and FLUSHALL.
async fn herd(args: &Args, backends: &Backends, database: &Database, name: &str, table: &mut Table) -> Result<()> {
    eprintln!("{READERS} readers of one article after FLUSHALL");
    let redis = backends.redis.url();
    for cache_bytes in ["64MiB", "0"] {
        let settings = Backends::settings(&database.url, &redis, cache_bytes);
        let replicas = [Process::replica(args, &settings)?, Process::replica(args, &settings)?];
        let mut channels = Vec::new();
        for replica in &replicas {
            channels.extend(replica.channels(10).await?);
            // Until Redis is in use.
            while replica.metric("copydesk_redis_lag_seconds").await? == 0.0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        let mut before = Vec::new();
        for replica in &replicas {
            before.push(answered(replica, "store").await?);
        }
        backends.redis.ask::<()>(&["FLUSHALL"]);
        let request = GetArticleRequest { name: name.to_owned(), ..Default::default() };
        let measured = run(&replicas[0], &channels, READERS / channels.len(), READERS, move |channel, _| {
            let request = request.clone();
            async move { RetrievalServiceClient::new(channel).get_article(request).await.map(drop) }
        })
        .await?;
        let mut reads = Vec::new();
        for (replica, before) in replicas.iter().zip(before) {
            reads.push(format!("{:.0}", answered(replica, "store").await? - before));
        }
        let result = format!(
            "{} on the two replicas, answered within {:.2} s",
            reads.join(" and "),
            measured.elapsed.as_secs_f64()
        );
        table.fact(&format!("store reads, herd, local cache of {cache_bytes}"), result);
        for replica in replicas {
            replica.stop()?;
        }
    }
    Ok(())
}

/// One read.
struct Read {
    at: Instant,
    took: Duration,
    from_redis: bool,
}

/// Reads without a local cache while Redis is frozen, killed and stopped.
async fn away(
    args: &Args,
    redis: &mut RedisServer,
    database: &Database,
    names: &[String],
    table: &mut Table,
) -> Result<()> {
    let url = redis.url();
    let server = Arc::new(Process::replica(args, &Backends::settings(&database.url, &url, "0"))?);
    for trouble in ["frozen", "killed", "stopped"] {
        eprintln!("Redis {trouble}, {TIMES} times");
        let (mut healthy, mut before, mut after, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TIMES {
            warm_up(&server, names).await?;
            let stop = Arc::new(AtomicBool::new(false));
            let readers = readers(&server, names, &stop).await?;
            tokio::time::sleep(AWAY).await;
            let away = Instant::now();
            match trouble {
                "frozen" => redis.freeze(),
                "killed" => redis.kill(),
                _ => {
                    // Redis answers by closing the connection.
                    if let Some(mut connection) = redis.connect() {
                        let _ended = redis::cmd("SHUTDOWN").arg("NOSAVE").exec(&mut connection);
                    }
                    redis.kill();
                }
            }
            let opened = breaker_opens(&server).await?;
            tokio::time::sleep(AWAY).await;
            match trouble {
                "frozen" => redis.thaw(),
                // Until it answers.
                _ => redis.resume(),
            }
            let returned = Instant::now();
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            stop.store(true, Ordering::Relaxed);
            let mut reads = Vec::new();
            for reader in readers {
                reads.extend(reader.await??);
            }
            let first = reads.iter().filter(|read| read.at > returned && read.from_redis).map(|read| read.at).min();
            back.push(first.map_or(f64::NAN, |first| (first - returned).as_secs_f64() * 1e3));
            for read in reads {
                match read.at {
                    at if at < away && at + read.took < away => healthy.push(read.took),
                    at if at >= away && at < opened => before.push(read.took),
                    at if at >= opened && at < returned => after.push(read.took),
                    _ => {}
                }
            }
        }
        let ms = |reads: Vec<Duration>| {
            let reads = Measured::new(AWAY, Duration::ZERO, reads);
            format!("{:.1} ms of {}", reads.quantile(0.99).as_secs_f64() * 1e3, reads.calls)
        };
        let result = format!("{}, before the breaker opens {}, after {}", ms(healthy), ms(before), ms(after));
        table.fact(&format!("p99 of reads, Redis {trouble}: healthy"), result);
        let back = back.iter().map(|ms| format!("{ms:.0}")).collect::<Vec<_>>().join(", ");
        table.fact("  Redis is back until it answers reads, ms", back);
    }
    Ok(())
}

async fn breaker_opens(server: &Process) -> Result<Instant> {
    let until = Instant::now() + Duration::from_secs(5);
    while server.metric("copydesk_redis_breaker_open").await? < 1.0 {
        if Instant::now() > until {
            return Err("the breaker did not open".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Instant::now())
}

/// Reads until stopped. A failed read ends the benchmark.
async fn readers(
    server: &Process,
    names: &[String],
    stop: &Arc<AtomicBool>,
) -> Result<Vec<tokio::task::JoinHandle<std::result::Result<Vec<Read>, tonic::Status>>>> {
    let (callers, pause) = CALLERS;
    let mut readers = Vec::new();
    for caller in 0..callers {
        let mut client = RetrievalServiceClient::new(server.channel().await?);
        let (names, stop) = (names.to_vec(), Arc::clone(stop));
        readers.push(tokio::spawn(async move {
            let mut reads = Vec::new();
            for name in names.iter().cycle().skip(caller * names.len() / callers) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                reads.push(read(&mut client, name).await?);
                tokio::time::sleep(pause).await;
            }
            Ok(reads)
        }));
    }
    Ok(readers)
}

async fn read(client: &mut RetrievalServiceClient<Channel>, name: &str) -> std::result::Result<Read, tonic::Status> {
    let at = Instant::now();
    let response = client.get_article(GetArticleRequest { name: name.to_owned(), ..Default::default() }).await?;
    let from_redis = response.metadata().get("copydesk-cache").is_some_and(|layer| layer == "redis");
    Ok(Read { at, took: at.elapsed(), from_redis })
}
