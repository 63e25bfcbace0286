//! `audit`: whether servers keep the bound, as their callers see it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;
use tonic::transport::Channel;

use super::connection::{Credential, Tls};
use super::failure::{Failure, print, tell};
use super::filter::mask;
use crate::client::{Authorized, Client};
use crate::proto::consistency::Requirement;
use crate::proto::retrieval_service_client::RetrievalServiceClient;
use crate::proto::{BatchGetArticlesRequest, Consistency, ListArticlesRequest};

/// What one request asks for at most.
const BATCH: usize = 100;
/// Of so many faults the names are told.
const TOLD: usize = 20;

#[derive(Args)]
pub(super) struct AuditArgs {
    /// The servers: one, or several replicas of one store, parted by commas
    #[arg(
        long,
        env = "COPYDESK_ADDR",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        value_delimiter = ','
    )]
    addr: Vec<String>,
    /// The staleness bound that the servers are set to, in milliseconds
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    bound: u64,
    /// How many times to look; each takes one bound
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// How many articles to look at each time: those that have changed last
    #[arg(long, default_value_t = 200, value_name = "ARTICLES")]
    sample: usize,
    #[command(flatten)]
    credential: Credential,
    #[command(flatten)]
    tls: Tls,
}

type Retrieval = RetrievalServiceClient<Authorized<Channel>>;
/// Each article that can be read, with its revision.
type Known = BTreeMap<String, i64>;

/// What a server said too late.
struct Tally {
    address: String,
    client: Retrieval,
    checked: u64,
    stale: u64,
    /// How many requests were answered by `local`, `redis`, `store`: by the slowest, for their last article.
    by: BTreeMap<String, u64>,
}

pub(super) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let mut tallies = Vec::new();
    let (tls, token) = (args.tls.load()?, args.credential.token()?);
    for address in &args.addr {
        let client = Client::connect_with(address, &tls, token.clone()).await?.retrieval;
        tallies.push(Tally { address: address.clone(), client, checked: 0, stale: 0, by: BTreeMap::new() });
    }
    let mut asked = tallies.first().map(|tally| tally.client.clone()).ok_or_else(no_server)?;
    let mut told = 0;
    let mut last = BTreeSet::new();
    for _ in 0..args.rounds {
        let changed = newest(&mut asked, args.sample).await?;
        let names: Vec<String> = last.union(&changed).cloned().collect();
        last = changed;
        let before = truth(&mut asked, &names).await?;
        tokio::time::sleep(Duration::from_millis(args.bound)).await;
        let mut answers = Vec::new();
        for tally in &mut tallies {
            answers.push(tally.ask(&names).await?);
        }
        let after = truth(&mut asked, &names).await?;
        for (tally, answer) in tallies.iter_mut().zip(&answers) {
            for name in &names {
                let (before, said, after) = (before.get(name), answer.get(name), after.get(name));
                tally.checked += 1;
                if stale(before.copied(), said.copied(), after.copied()) {
                    tally.stale += 1;
                    told += 1;
                    if told <= TOLD {
                        let shown = |known: Option<&i64>| known.map_or("none".to_owned(), i64::to_string);
                        let (address, said, known) = (&tally.address, shown(said), shown(before));
                        tell(&format!("{address} answers revision {said} of {name}; the store had {known}"));
                    }
                }
            }
        }
    }
    report(&tallies)
}

fn report(tallies: &[Tally]) -> Result<(), Failure> {
    for tally in tallies {
        let by: Vec<String> = tally.by.iter().map(|(layer, count)| format!("{layer} {count}")).collect();
        print(&format!(
            "{}  checked {}  stale {}  answered by: {}",
            tally.address,
            tally.checked,
            tally.stale,
            by.join(", ")
        ))?;
    }
    let (checked, stale) =
        tallies.iter().fold((0, 0), |(checked, stale), tally| (checked + tally.checked, stale + tally.stale));
    print(&format!("reads checked: {checked}"))?;
    print(&format!("violations: {stale}"))?;
    print(&nines(checked, stale))?;
    match stale {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{stale} of {checked} answers were older than the bound"))),
    }
}

/// How consistent, in nines. What was never seen to fail is shown to be no better than one fault in as many as were looked at.
fn nines(checked: u64, stale: u64) -> String {
    match (checked, stale) {
        (0, _) => "consistent: nothing was there to check".into(),
        (checked, 0) => {
            format!("consistent: all; at least {:.1} nines, as far as so many can show", (checked as f64).log10())
        }
        (checked, stale) => {
            let wrong = stale as f64 / checked as f64;
            format!("consistent: {:.6} %, {:.1} nines", 100.0 * (1.0 - wrong), -wrong.log10())
        }
    }
}

/// Whether an answer is older than what the store said one bound before. `after` is what it said after the answer: it explains
/// what has changed meanwhile.
fn stale(before: Option<i64>, said: Option<i64>, after: Option<i64>) -> bool {
    match (before, said) {
        (Some(before), Some(said)) => said < before,
        // It may have been withdrawn since.
        (Some(before), None) => after == Some(before),
        // It may have been reinstated since.
        (None, Some(_)) => after.is_none(),
        (None, None) => false,
    }
}

fn no_server() -> Failure {
    Failure::Usage("--addr must name a server".into())
}

/// The names of the articles that have changed last.
async fn newest(client: &mut Retrieval, count: usize) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut request = ListArticlesRequest {
        order_by: "update_time desc".into(),
        read_mask: mask(Some("name")),
        ..Default::default()
    };
    while names.len() < count {
        request.page_size = (count - names.len()).min(BATCH) as i32;
        let page = client.list_articles(request.clone()).await?.into_inner();
        names.extend(page.articles.into_iter().map(|article| article.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(names)
}

/// What the store says.
async fn truth(client: &mut Retrieval, names: &[String]) -> Result<Known, Failure> {
    let fully = Consistency { requirement: Some(Requirement::FullyConsistent(true)) };
    Ok(batches(client, names, Some(fully)).await?.0)
}

impl Tally {
    /// What it answers to who asks for nothing special.
    async fn ask(&mut self, names: &[String]) -> Result<Known, Failure> {
        let (known, by) = batches(&mut self.client, names, None).await?;
        for layer in by {
            *self.by.entry(layer).or_default() += 1;
        }
        Ok(known)
    }
}

async fn batches(
    client: &mut Retrieval,
    names: &[String],
    consistency: Option<Consistency>,
) -> Result<(Known, Vec<String>), Failure> {
    let (mut known, mut by) = (Known::new(), Vec::new());
    for names in names.chunks(BATCH) {
        let request = BatchGetArticlesRequest {
            names: names.to_vec(),
            read_mask: mask(Some("name,revision")),
            consistency: consistency.clone(),
        };
        let answer = client.batch_get_articles(request).await?;
        by.extend(answer.metadata().get("copydesk-cache").and_then(|layer| layer.to_str().ok()).map(str::to_owned));
        known.extend(answer.into_inner().articles.into_iter().map(|article| (article.name, article.revision)));
    }
    Ok((known, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_meanwhile_is_no_fault() {
        assert!(stale(Some(2), Some(1), Some(2)));
        assert!(!stale(Some(2), Some(2), Some(2)));
        assert!(!stale(Some(2), Some(3), Some(3)));
        // Forgotten; and withdrawn.
        assert!(stale(Some(2), None, Some(2)));
        assert!(!stale(Some(2), None, None));
        // Withdrawn, and still shown; and reinstated.
        assert!(stale(None, Some(2), None));
        assert!(!stale(None, Some(2), Some(2)));
    }

    #[test]
    fn nines_are_told_as_far_as_they_are_known() {
        assert_eq!(nines(10_000, 0), "consistent: all; at least 4.0 nines, as far as so many can show");
        assert_eq!(nines(10_000, 1), "consistent: 99.990000 %, 4.0 nines");
        assert_eq!(nines(0, 0), "consistent: nothing was there to check");
    }
}
