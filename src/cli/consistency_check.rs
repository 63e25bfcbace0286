//! `consistency-check`: check that servers keep the staleness bound, as seen by their clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;
use copydesk_client::{Authorized, Client};
use tonic::transport::Channel;

use super::connection::{Credential, Tls};
use super::failure::{Failure, print, print_error};
use super::filter::mask;
use super::paging::Paging;
use crate::proto::consistency::Requirement;
use crate::proto::retrieval_service_client::RetrievalServiceClient;
use crate::proto::{BatchGetArticlesRequest, Consistency, ListArticlesRequest};

/// Maximum names per request.
const BATCH: usize = 100;
/// Maximum number of stale reads to print.
const MAX_PRINTED: usize = 20;

#[derive(Args)]
pub(super) struct ConsistencyCheckArgs {
    /// Comma-separated URLs of a server, or of several replicas of one store
    #[arg(
        long,
        env = "COPYDESK_ADDR",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        value_delimiter = ','
    )]
    addr: Vec<String>,
    /// Staleness bound of the servers, in milliseconds
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    bound: u64,
    /// Number of rounds; each takes one staleness bound
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Number of articles per round, most recently changed first
    #[arg(long, default_value_t = 200, value_name = "ARTICLES")]
    sample: usize,
    #[command(flatten)]
    credential: Credential,
    #[command(flatten)]
    tls: Tls,
}

type Retrieval = RetrievalServiceClient<Authorized<Channel>>;
/// Revisions of readable articles by name.
type Revisions = BTreeMap<String, i64>;

/// Reads and stale reads of one server.
struct Tally {
    address: String,
    client: Retrieval,
    checked: u64,
    stale: u64,
    /// Number of requests by the slowest layer that answered: `local`, `redis` or `store`.
    layers: BTreeMap<String, u64>,
}

pub(super) async fn run(args: ConsistencyCheckArgs) -> Result<(), Failure> {
    let mut tallies = Vec::new();
    let (tls, token) = (args.tls.load()?, args.credential.token()?);
    for address in &args.addr {
        let client = Client::connect_with(address, &tls, token.clone()).await?.retrieval;
        tallies.push(Tally { address: address.clone(), client, checked: 0, stale: 0, layers: BTreeMap::new() });
    }
    let mut reference = tallies.first().map(|tally| tally.client.clone()).ok_or_else(no_server)?;
    let mut reported = 0;
    let mut previous = BTreeSet::new();
    for _ in 0..args.rounds {
        let changed = newest(&mut reference, args.sample).await?;
        let names: Vec<String> = previous.union(&changed).cloned().collect();
        previous = changed;
        let before = read_store(&mut reference, &names).await?;
        tokio::time::sleep(Duration::from_millis(args.bound)).await;
        let mut answers = Vec::new();
        for tally in &mut tallies {
            answers.push(tally.read(&names).await?);
        }
        let after = read_store(&mut reference, &names).await?;
        for (tally, answer) in tallies.iter_mut().zip(&answers) {
            for name in &names {
                let (before, returned, after) = (before.get(name), answer.get(name), after.get(name));
                tally.checked += 1;
                if stale(before.copied(), returned.copied(), after.copied()) {
                    tally.stale += 1;
                    reported += 1;
                    if reported <= MAX_PRINTED {
                        let format_revision =
                            |revision: Option<&i64>| revision.map_or("none".to_owned(), i64::to_string);
                        let (address, returned, expected) =
                            (&tally.address, format_revision(returned), format_revision(before));
                        print_error(&format!(
                            "stale read: {address} returned revision {returned} of {name}, the store had {expected}"
                        ));
                    }
                }
            }
        }
    }
    report(&tallies)
}

fn report(tallies: &[Tally]) -> Result<(), Failure> {
    for tally in tallies {
        let layers: Vec<String> = tally.layers.iter().map(|(layer, count)| format!("{layer} {count}")).collect();
        print(&format!(
            "{}  checked {}  stale {}  answered by: {}",
            tally.address,
            tally.checked,
            tally.stale,
            layers.join(", ")
        ))?;
    }
    let (checked, stale) =
        tallies.iter().fold((0, 0), |(checked, stale), tally| (checked + tally.checked, stale + tally.stale));
    print(&format!("reads checked: {checked}"))?;
    print(&format!("violations: {stale}"))?;
    print(&nines(checked, stale))?;
    match stale {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{stale} of {checked} reads were older than the staleness bound"))),
    }
}

/// Formats the consistency in nines. Without a stale read, the number of reads limits the nines that can be claimed.
fn nines(checked: u64, stale: u64) -> String {
    match (checked, stale) {
        (0, _) => "consistent: no reads to check".into(),
        (checked, 0) => {
            format!("consistent: all; at least {:.1} nines for this number of reads", (checked as f64).log10())
        }
        (checked, stale) => {
            let ratio = stale as f64 / checked as f64;
            format!("consistent: {:.6} %, {:.1} nines", 100.0 * (1.0 - ratio), -ratio.log10())
        }
    }
}

/// Returns true if a read is older than the store's state one staleness bound before it. `after` is the state after the
/// read, which explains concurrent changes.
fn stale(before: Option<i64>, returned: Option<i64>, after: Option<i64>) -> bool {
    match (before, returned) {
        (Some(before), Some(returned)) => returned < before,
        // Otherwise withdrawn since.
        (Some(before), None) => after == Some(before),
        // Otherwise reinstated since.
        (None, Some(_)) => after.is_none(),
        (None, None) => false,
    }
}

fn no_server() -> Failure {
    Failure::Usage("--addr must be at least one server URL".into())
}

/// Returns the names of the most recently changed articles.
async fn newest(client: &mut Retrieval, count: usize) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut request = ListArticlesRequest {
        order_by: "update_time desc".into(),
        read_mask: mask(Some("name")),
        ..Default::default()
    };
    let mut paging = Paging::new(count, BATCH);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.list_articles(request.clone()).await?.into_inner();
        paging.read(page.articles.len(), page.next_page_token);
        names.extend(page.articles.into_iter().map(|article| article.name));
    }
    Ok(names)
}

/// Reads the revisions from the store.
async fn read_store(client: &mut Retrieval, names: &[String]) -> Result<Revisions, Failure> {
    let fully = Consistency { requirement: Some(Requirement::FullyConsistent(true)) };
    Ok(batches(client, names, Some(fully)).await?.0)
}

impl Tally {
    /// Reads the revisions at the default consistency, possibly from a cache.
    async fn read(&mut self, names: &[String]) -> Result<Revisions, Failure> {
        let (revisions, layers) = batches(&mut self.client, names, None).await?;
        for layer in layers {
            *self.layers.entry(layer).or_default() += 1;
        }
        Ok(revisions)
    }
}

async fn batches(
    client: &mut Retrieval,
    names: &[String],
    consistency: Option<Consistency>,
) -> Result<(Revisions, Vec<String>), Failure> {
    let (mut revisions, mut layers) = (Revisions::new(), Vec::new());
    for names in names.chunks(BATCH) {
        let request = BatchGetArticlesRequest {
            names: names.to_vec(),
            read_mask: mask(Some("name,revision")),
            consistency: consistency.clone(),
            ..Default::default()
        };
        let answer = client.batch_get_articles(request).await?;
        layers.extend(answer.metadata().get("copydesk-cache").and_then(|layer| layer.to_str().ok()).map(str::to_owned));
        revisions.extend(answer.into_inner().articles.into_iter().map(|article| (article.name, article.revision)));
    }
    Ok((revisions, layers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_meanwhile_is_no_fault() {
        assert!(stale(Some(2), Some(1), Some(2)));
        assert!(!stale(Some(2), Some(2), Some(2)));
        assert!(!stale(Some(2), Some(3), Some(3)));
        // Missing; withdrawn since.
        assert!(stale(Some(2), None, Some(2)));
        assert!(!stale(Some(2), None, None));
        // Withdrawn but still returned; reinstated since.
        assert!(stale(None, Some(2), None));
        assert!(!stale(None, Some(2), Some(2)));
    }

    #[test]
    fn nines_are_told_as_far_as_they_are_known() {
        assert_eq!(nines(10_000, 0), "consistent: all; at least 4.0 nines for this number of reads");
        assert_eq!(nines(10_000, 1), "consistent: 99.990000 %, 4.0 nines");
        assert_eq!(nines(0, 0), "consistent: no reads to check");
    }
}
