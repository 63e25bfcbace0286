//! The service compared with a bare tonic server that answers the same article from memory: `make bench`.
//!
//! Both are separate processes, so that the cost of each call for *the server* can be separated from the client's.
//! Everything stays on this machine, and every loop is bounded in count.

mod args;
mod articles;
mod auth_and_tls;
mod backends;
mod bare_tonic_baseline;
mod bulk_ingest;
mod cache_aside_baseline;
mod entry_compression;
mod expensive_documents;
mod failures_and_herd;
mod hpack;
mod load;
mod one_method;
mod overload;
mod process;
mod raw_http2_client;
mod reads;
mod replica_scaling;
mod replicated;
#[path = "../../tests/support/mod.rs"]
mod support; // servers, databases and Redis as processes
mod table;
mod writes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use copydesk::proto::GetArticleRequest;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use prost::Message;

use args::Args;
use process::Process;
use table::Table;

/// Any error ends the benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let args = Args::parse();
    if let [name, bytes] = args.hostile_case.as_slice() {
        return expensive_documents::one(name, bytes.parse()?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match (&args.floor, args.aside.as_slice()) {
            (Some(article), _) => bare_tonic_baseline::serve(article).await,
            (None, [redis, postgres]) => cache_aside_baseline::serve(redis, postgres).await,
            _ if args.hostile => expensive_documents::all(),
            _ if args.large => large(&args).await,
            _ if args.guarded => auth_and_tls::all(&args).await,
            _ if args.entries => entry_compression::all().await,
            _ if args.overload => overload::all(&args, scratch(&args)?.path()).await,
            _ if !args.replicated.is_empty() => replicated::all(&args, scratch(&args)?.path()).await,
            _ => all(&args).await,
        }
    })
}

async fn all(args: &Args) -> Result<()> {
    let began = Instant::now();
    let dir = scratch(args)?;
    let mut table = Table::new(args);

    let server = Process::copydesk(args, dir.path())?;
    let written = writes::ready(&server, args, args.articles, &mut table).await?;
    server.stop()?;

    let server = start(args, dir.path(), &written[0], &mut table).await?;
    table.memory("memory, started on the store", &server)?;
    hot(args, dir.path(), &server, &written[0], &mut table).await?;
    reads::all(&server, args, &written, &mut table).await?;
    table.memory("memory, after the reads", &server)?;
    writes::watch(&server, args.articles, &mut table).await?;
    writes::html(&server, args, &mut table).await?;
    table.memory("memory, at the end", &server)?;
    table.peak("memory, at its peak", &server)?;
    server.stop()?;

    println!("\n{table}\nThe whole run took {:.0} s.", began.elapsed().as_secs_f64());
    Ok(())
}

/// Measures the floor and the service in alternating rounds, so that other load of the machine affects both.
async fn hot(args: &Args, dir: &Path, server: &Process, name: &str, table: &mut Table) -> Result<()> {
    let request = GetArticleRequest { name: name.to_owned(), ..Default::default() };
    let mut client = RetrievalServiceClient::new(server.channel().await?);
    let answer = client.get_article(request.clone()).await?.into_inner();
    let file = dir.join("floor-article");
    std::fs::write(&file, answer.article.ok_or("no article in the answer")?.encode_to_vec())?;
    let floor = Process::floor(&file)?;

    eprintln!("get: the same article, floor and service in turn");
    let (floor_channels, channels) =
        (floor.channels(args.connections).await?, server.channels(args.connections).await?);
    let (mut base, mut ours) = (Vec::new(), Vec::new());
    for round in 0..=args.rounds {
        let of_floor = reads::get(&floor, &floor_channels, args, args.calls, std::slice::from_ref(&request)).await?;
        let of_ours = reads::get(server, &channels, args, args.calls, std::slice::from_ref(&request)).await?;
        // The first round is a warm-up.
        if round > 0 {
            base.push(of_floor);
            ours.push(of_ours);
        }
    }
    table.compare("floor: one article from memory", "get, hot: the same article", &base, &ours);
    table.memory("memory, the floor", &floor)?;
    floor.stop()
}

/// Starts the server on an existing store several times, and keeps the last.
async fn start(args: &Args, dir: &Path, name: &str, table: &mut Table) -> Result<Process> {
    eprintln!("start on an existing store");
    let mut times = Vec::new();
    for _ in 0..4 {
        let (server, took) = first_answer(args, dir, name).await?;
        times.push(took);
        server.stop()?;
    }
    let (server, took) = first_answer(args, dir, name).await?;
    times.push(took);
    times.sort_unstable();
    table.fact("start to first answer", format!("{:.1} ms", times[times.len() / 2].as_secs_f64() * 1e3));
    Ok(server)
}

async fn first_answer(args: &Args, dir: &Path, name: &str) -> Result<(Process, Duration)> {
    let began = Instant::now();
    let server = Process::copydesk(args, dir)?;
    let mut client = RetrievalServiceClient::new(server.channel().await?);
    client.get_article(GetArticleRequest { name: name.to_owned(), ..Default::default() }).await?;
    Ok((server, began.elapsed()))
}

/// Compares reads in a small store and in a large one.
async fn large(args: &Args) -> Result<()> {
    let mut table = Table::new(args);
    let mut tails = Vec::new();
    for count in [10_000, args.large_articles] {
        let dir = scratch(args)?;
        let server = Process::copydesk(args, dir.path())?;
        let names = writes::ready(&server, args, count, &mut table).await?;
        let tail = reads::spread(&server, args, &names, &format!("get, any of {count}"), &mut table).await?;
        tails.push(tail.as_secs_f64());
        table.memory(&format!("memory, {count} articles"), &server)?;
        server.stop()?;
    }
    table.fact("get p99, large store to small", format!("{:.2}", tails[1] / tails[0]));
    println!("\n{table}");
    Ok(())
}

/// Creates a folder for a store on the disk with the build, because durability costs nothing in a folder in memory.
fn scratch(args: &Args) -> Result<tempfile::TempDir> {
    let parent = args.dir.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    Ok(tempfile::Builder::new().prefix("copydesk-bench-").tempdir_in(parent)?)
}
