//! The service as replicated, on the benchmark's PostgreSQL and Redis, compared with the floor and with a typical
//! hand-rolled service: `make bench-replicated`.

use std::path::Path;
use std::sync::Arc;

use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{BatchGetArticlesRequest, GetArticleRequest};
use prost::Message;

use crate::args::Args;
use crate::backends::{Backends, answered, warm_up};
use crate::load::{Measured, run};
use crate::process::Process;
use crate::support::database::{Cluster, Database};
use crate::support::redis_server::RedisServer;
use crate::table::Table;
use crate::{Result, bulk_ingest, cache_aside_baseline, failures_and_herd, reads, replica_scaling, writes};

/// Number of articles read from Redis in turn. More than the calls in flight, so that no two calls share one read.
const WARM: usize = 2_000;
/// Number of articles of a round in which each is read for the first time.
const COLD: usize = 2_000;
/// Number of rounds of each comparison.
const ROUNDS: usize = 7;

pub async fn all(args: &Args, dir: &Path) -> Result<()> {
    let backends = Backends { cluster: Cluster::start(true), redis: RedisServer::start() };
    let mut table = Table::new(args);
    if args.wants("ingest") {
        bulk_ingest::copy(args, &backends.cluster, &mut table).await?;
        bulk_ingest::search_lag(args, &backends.cluster, &mut table).await?;
    }
    let database = backends.cluster.database_without_template().await;
    let count = (WARM + COLD * (ROUNDS + 1)) as u64;
    let writer = Process::replica(args, &[("store", &database.url), ("cache", "off")])?;
    let names = writes::ready(&writer, args, count, &mut Table::new(args)).await?;
    if args.wants("reads") {
        copy_aside(&writer, &names, &database).await?;
        hits_of_the_local_cache(args, dir, &backends, &database, &names[0], &mut table).await?;
        redis_and_store(args, &backends, &database, &names, &mut table).await?;
    }
    writer.stop()?;
    if args.wants("scale") {
        replica_scaling::all(args, &backends, &database, &names, &mut table).await?;
    }
    if args.wants("trouble") {
        failures_and_herd::all(args, backends, &database, &names, &mut table).await?;
    }
    println!("\n{table}");
    Ok(())
}

/// Copies the articles to the hand-rolled service.
async fn copy_aside(from: &Process, names: &[String], database: &Database) -> Result<()> {
    let to = database.client().await;
    to.batch_execute(cache_aside_baseline::TABLE).await?;
    let mut client = RetrievalServiceClient::new(from.channel().await?).max_decoding_message_size(64 << 20);
    for names in names.chunks(500) {
        let request = BatchGetArticlesRequest { names: names.to_vec(), ..Default::default() };
        let articles = client.batch_get_articles(request).await?.into_inner().articles;
        let names: Vec<&str> = articles.iter().map(|article| article.name.as_str()).collect();
        let encoded: Vec<Vec<u8>> = articles.iter().map(Message::encode_to_vec).collect();
        to.execute("INSERT INTO aside SELECT * FROM unnest($1::text[], $2::bytea[])", &[&names, &encoded]).await?;
    }
    Ok(to.batch_execute("VACUUM ANALYZE").await?)
}

async fn hits_of_the_local_cache(
    args: &Args,
    dir: &Path,
    backends: &Backends,
    database: &Database,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    eprintln!("hits of the local cache, floor and service in turn");
    let ours = Process::replica(args, &Backends::settings(&database.url, &backends.redis.url(), "64MiB"))?;
    let request = GetArticleRequest { name: name.to_owned(), ..Default::default() };
    let answer = RetrievalServiceClient::new(ours.channel().await?).get_article(request.clone()).await?.into_inner();
    let file = dir.join("floor-article");
    std::fs::write(&file, answer.article.ok_or("no article in the answer")?.encode_to_vec())?;
    let floor = Process::floor(&file)?;
    let requests = |_| vec![request.clone(); args.calls];
    let (base, local) = by_turns(args, [&floor, &ours], requests, "local").await?;
    table.compare("floor: one article from memory", "local hit: the same article", &base, &local);
    floor.stop()?;
    ours.stop()
}

/// Compares the hand-rolled service with ours without a local cache, on hits and misses of Redis. Then measures ours
/// without Redis.
async fn redis_and_store(
    args: &Args,
    backends: &Backends,
    database: &Database,
    names: &[String],
    table: &mut Table,
) -> Result<()> {
    let redis = backends.redis.url();
    let aside = Process::aside(&redis, &database.url)?;
    // A local cache of size 0: concurrent loads are shared, but nothing is kept.
    let ours = Process::replica(args, &Backends::settings(&database.url, &redis, "0"))?;
    let (warm, cold) = names.split_at(WARM);
    let request = |name: &String| GetArticleRequest { name: name.clone(), ..Default::default() };

    eprintln!("hits of Redis, in turn");
    warm_up(&ours, warm).await?;
    let requests = |_| warm.iter().cycle().take(args.calls).map(request).collect();
    let (base, hits) = by_turns(args, [&aside, &ours], requests, "redis").await?;
    table.compare("hand-rolled: from Redis", "Redis hit, no local cache", &base, &hits);

    eprintln!("misses, in turn");
    let requests = |round: usize| cold[round * COLD..(round + 1) * COLD].iter().map(request).collect();
    let (base, misses) = by_turns(args, [&aside, &ours], requests, "store").await?;
    table.compare("hand-rolled: a miss", "miss: Redis, then PostgreSQL", &base, &misses);
    ours.stop()?;
    aside.stop()?;

    eprintln!("without a cache");
    let ours = Process::replica(args, &[("store", &database.url), ("cache", "off")])?;
    let channels = ours.channels(args.connections).await?;
    let requests: Vec<_> = warm.iter().map(request).collect();
    reads::get(&ours, &channels, args, COLD, &requests).await?;
    table.row("no cache: PostgreSQL", &reads::get(&ours, &channels, args, 2 * COLD, &requests).await?);
    ours.stop()
}

/// Runs a round of each server in turn, so that other load of the machine affects both. The first round is a warm-up.
/// All of our answers must come from the expected layer.
async fn by_turns(
    args: &Args,
    servers: [&Process; 2],
    requests: impl Fn(usize) -> Vec<GetArticleRequest>,
    expected: &'static str,
) -> Result<(Vec<Measured>, Vec<Measured>)> {
    let mut channels = Vec::new();
    for server in servers {
        channels.push(server.channels(args.connections).await?);
    }
    let mut measured = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let requests: Arc<[GetArticleRequest]> = requests(round).into();
        // The order alternates, because the first server warms the caches of the CPU and the database for the second.
        for turn in [round % 2, (round + 1) % 2] {
            let server = servers[turn];
            let before = answered(server, expected).await;
            let calls = Arc::clone(&requests);
            let one = run(server, &channels[turn], args.in_flight, requests.len(), move |channel, number| {
                let request = calls[number].clone();
                async move { RetrievalServiceClient::new(channel).get_article(request).await.map(drop) }
            });
            let one = one.await?;
            if let (Ok(before), Ok(after)) = (before, answered(server, expected).await)
                && round > 0
            {
                let share = (after - before) / requests.len() as f64;
                if share < 0.99 {
                    return Err(format!("only {share:.3} of the answers came from {expected}").into());
                }
            }
            if round > 0 {
                measured[turn].push(one);
            }
        }
    }
    let [base, ours] = measured;
    Ok((base, ours))
}
