//! `reprocess`: extracts kept documents again, after the extractor was changed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use clap::Args;
use prost_types::FieldMask;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Code, Status};

use super::connection::Connection;
use super::failure::{Failure, describe, print, print_error};
use super::filter::FilterArgs;
use super::table::Table;
use crate::proto::{Article, ListArticlesRequest, ReprocessArticleRequest, ReprocessArticleResponse};

/// Articles per request.
const PAGE: i32 = 100;
/// Maximum number of articles in the summary.
const WORST: usize = 10;

#[derive(Args)]
#[command(
    after_help = "Articles that this version has extracted are skipped, so an interrupted run is simply repeated.\n\n\
    Examples:\n  \
    copydesk reprocess --dry-run --source herald.example\n  \
    copydesk reprocess --rate 50"
)]
pub(super) struct ReprocessArgs {
    /// Print what would change, without writing
    #[arg(long)]
    dry_run: bool,
    /// Also articles that this version has extracted
    #[arg(long)]
    all: bool,
    /// Maximum number of articles to extract per second; those of this version are only read
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Maximum number of articles
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Counts of a run.
#[derive(Default)]
struct Summary {
    changed: usize,
    unchanged: usize,
    skipped: usize,
    without_document: usize,
    failed: usize,
    /// Number of articles by changed field.
    fields: BTreeMap<String, usize>,
    /// Share of the words of the body that differ, and the article.
    bodies: Vec<(f32, String)>,
}

pub(super) async fn reprocess(args: ReprocessArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?;
    let mut pace = interval(Duration::from_secs(1) / args.rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let read_mask = Some(FieldMask { paths: vec!["name".into(), "body".into()] });
    let mut request = ListArticlesRequest {
        filter: Some(args.filter.filter()),
        order_by: "create_time asc".into(),
        page_size: PAGE,
        read_mask,
        ..ListArticlesRequest::default()
    };
    let mut summary = Summary::default();
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut ended = Ok(());
    'pages: loop {
        let page = client.retrieval.list_articles(request.clone()).await?.into_inner();
        for before in page.articles {
            if left == 0 {
                break 'pages;
            }
            left -= 1;
            let again = ReprocessArticleRequest {
                name: before.name.clone(),
                outdated_only: !args.all,
                validate_only: args.dry_run,
                ..ReprocessArticleRequest::default()
            };
            match client.editorial.reprocess_article(again).await {
                // Extracted by this version already: only read.
                Ok(response) if response.get_ref().report.is_none() => summary.skipped += 1,
                Ok(response) => {
                    summary.add(&before, &response.into_inner());
                    pace.tick().await;
                }
                Err(status) => {
                    if let Err(fatal) = summary.add_failure(&before.name, status) {
                        ended = Err(fatal);
                        break 'pages;
                    }
                    pace.tick().await;
                }
            }
        }
        match page.next_page_token {
            token if token.is_empty() => break,
            token => request.page_token = token,
        }
    }
    let failed = summary.failed;
    summary.print(args.dry_run)?;
    ended?;
    match failed {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} articles could not be extracted again"))),
    }
}

impl Summary {
    fn add(&mut self, before: &Article, done: &ReprocessArticleResponse) {
        if done.changed_fields.is_empty() {
            self.unchanged += 1;
            return;
        }
        self.changed += 1;
        for field in &done.changed_fields {
            *self.fields.entry(field.clone()).or_default() += 1;
        }
        let after = done.article.as_ref().map_or("", |article| article.body.as_str());
        if before.body != after {
            self.bodies.push((difference(&before.body, after), before.name.clone()));
            self.bodies.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
            self.bodies.truncate(WORST);
        }
    }

    /// Counts an article that was not extracted. An error that the next one would meet too ends the run.
    fn add_failure(&mut self, name: &str, status: Status) -> Result<(), Failure> {
        match status.code() {
            Code::NotFound => self.without_document += 1,
            // Changed or withdrawn meanwhile, or no article by the present rules.
            Code::Aborted | Code::FailedPrecondition | Code::InvalidArgument => {
                print_error(&format!("{name}: {}", describe(&status)));
                self.failed += 1;
            }
            _ => return Err(status.into()),
        }
        Ok(())
    }

    /// Prints the counts, the fields that changed most often, and the bodies that changed most.
    fn print(self, dry_run: bool) -> Result<(), Failure> {
        let Self { changed, unchanged, skipped, without_document, failed, fields, bodies } = self;
        let done = if dry_run { "would change" } else { "changed" };
        print(&format!(
            "{changed} {done}, {unchanged} unchanged, {skipped} of this version, {without_document} without a \
             document, {failed} failed"
        ))?;
        if changed == 0 {
            return Ok(());
        }
        let mut counts: Vec<(String, usize)> = fields.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut table = Table::new(["FIELD", "ARTICLES"]);
        counts.into_iter().for_each(|(field, count)| table.row([field, count.to_string()]));
        table.print("no field changed")?;
        let mut table = Table::new(["BODY", "ARTICLE"]);
        bodies.into_iter().for_each(|(share, name)| table.row([format!("{:.0} %", share * 100.0), name]));
        table.print("no body changed")
    }
}

/// Returns the share of the different words of two texts that only one of them has.
fn difference(before: &str, after: &str) -> f32 {
    let words = |text: &'_ str| text.split_whitespace().map(str::to_owned).collect::<HashSet<String>>();
    let (before, after) = (words(before), words(after));
    let all = before.union(&after).count();
    before.symmetric_difference(&after).count() as f32 / all.max(1) as f32
}
