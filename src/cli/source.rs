//! `source`: the document that an article was extracted from, or the report of the extraction.

use std::io::Write;

use clap::Args;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::json;
use super::target::Target;
use crate::proto::{GetArticleSourceRequest, GetExtractionReportRequest};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    copydesk source 7k2mq0v3d9s5x8w1b4n6z0c2hf >page.html\n  \
    copydesk source --url https://herald.example/news/1 --report")]
pub(super) struct SourceArgs {
    #[command(flatten)]
    target: Target,
    /// Revision that was extracted from it; by default the newest that has a document
    #[arg(long, value_name = "REVISION")]
    revision: Option<i64>,
    /// Print the report of the extraction as JSON, instead of the document
    #[arg(long)]
    report: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn source(args: SourceArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?;
    let article = args.target.resolve(&mut client).await?;
    let name = args.revision.map_or_else(|| article.clone(), |revision| format!("{article}/revisions/{revision}"));
    if args.report {
        let found = client.editorial.get_extraction_report(GetExtractionReportRequest { name }).await?.into_inner();
        let report = found.report.unwrap_or_default();
        return print(&json::line(&report).map_err(Failure::failed)?);
    }
    let found = client.editorial.get_article_source(GetArticleSourceRequest { name }).await?.into_inner();
    let mut out = std::io::stdout().lock();
    out.write_all(&found.data)?;
    Ok(out.flush()?)
}
