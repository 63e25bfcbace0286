//! Cost of a call on four replicas compared with one: `make bench-replicated PART=scale`.

use std::sync::Arc;
use std::time::Duration;

use copydesk::proto::GetArticleRequest;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;

use crate::Result;
use crate::args::Args;
use crate::backends::Backends;
use crate::load::{Measured, run};
use crate::process::Process;
use crate::support::database::Database;
use crate::table::Table;

const REPLICAS: [usize; 3] = [1, 2, 4];
/// Number of articles read in turn.
const READ: usize = 2_000;
const ROUNDS: usize = 7;

/// Measures reads from local caches on one, two and four replicas in turn. All replicas run throughout, so their idle
/// cost is the same.
pub async fn all(
    args: &Args,
    backends: &Backends,
    database: &Database,
    names: &[String],
    table: &mut Table,
) -> Result<()> {
    eprintln!("one, two and four replicas, in turn");
    let redis = backends.redis.url();
    let settings = Backends::settings(&database.url, &redis, "64MiB");
    let mut replicas = Vec::new();
    let mut channels = Vec::new();
    for _ in 0..REPLICAS[REPLICAS.len() - 1] {
        let replica = Process::replica(args, &settings)?;
        channels.push(replica.channel().await?);
        replicas.push(replica);
    }
    let names: Arc<[String]> = names[..READ].into();
    let mut measured = REPLICAS.map(|_| Vec::new());
    for round in 0..=ROUNDS {
        // The first round is a warm-up.
        for turn in 0..REPLICAS.len() {
            let at = (turn + round) % REPLICAS.len();
            let count = REPLICAS[at];
            let before = cpu(&replicas[..count])?;
            let names = Arc::clone(&names);
            let call = move |channel, number: usize| {
                let request = GetArticleRequest { name: names[number % READ].clone(), ..Default::default() };
                async move { RetrievalServiceClient::new(channel).get_article(request).await.map(drop) }
            };
            // The same load for each replica, since batched calls are cheaper.
            let calls = args.calls * count;
            let one = run(&replicas[0], &channels[..count], args.in_flight, calls, call).await?;
            let cpu = cpu(&replicas[..count])? - before;
            if round > 0 {
                measured[at].push(Measured { cpu, ..one });
            }
        }
    }
    let [one, two, four] = &measured;
    table.compare("reads, one replica", "reads, two replicas", one, two);
    table.compare("reads, one replica", "reads, four replicas", one, four);
    replicas.into_iter().try_for_each(Process::stop)
}

fn cpu(replicas: &[Process]) -> Result<Duration> {
    replicas.iter().map(Process::cpu).sum()
}
