//! Whether a call costs as much on four replicas as on one: `make bench-replicated PART=scale`.

use std::sync::Arc;
use std::time::Duration;

use copydesk::proto::GetArticleRequest;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;

use crate::Result;
use crate::args::Args;
use crate::behind::Behind;
use crate::database::Database;
use crate::load::{Measured, run};
use crate::process::Process;
use crate::table::Table;

const REPLICAS: [usize; 3] = [1, 2, 4];
/// Articles that are read in turn.
const READ: usize = 2_000;
const ROUNDS: usize = 7;

/// Reads from local caches, by turns on one, two and four replicas that all run, and cost what they cost when they idle.
pub async fn all(args: &Args, behind: &Behind, database: &Database, names: &[String], table: &mut Table) -> Result<()> {
    eprintln!("one, two and four replicas, by turns");
    let redis = behind.redis.url();
    let settings = Behind::settings(&database.url, &redis, "64MiB");
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
        // The first warms all of them.
        for turn in 0..REPLICAS.len() {
            let at = (turn + round) % REPLICAS.len();
            let count = REPLICAS[at];
            let before = cpu(&replicas[..count])?;
            let names = Arc::clone(&names);
            let call = move |channel, number: usize| {
                let request = GetArticleRequest { name: names[number % READ].clone(), ..Default::default() };
                async move { RetrievalServiceClient::new(channel).get_article(request).await.map(drop) }
            };
            // Each has as much to do, however many there are: what comes together is cheaper.
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
