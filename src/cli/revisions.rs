//! `revisions`: the history of an article, and the differences between its revisions.

use clap::Args;

use super::article_text::{change, dim, inserted, removed, time};
use super::connection::Connection;
use super::failure::{Failure, print};
use super::paging::Paging;
use super::table::Table;
use super::target::Target;
use crate::proto::{
    DiffArticleRevisionsRequest, DiffArticleRevisionsResponse, DiffPartKind, ListArticleRevisionsRequest,
    ParagraphChange,
};

/// Maximum number of revisions per request.
const PAGE: usize = 100;

#[derive(Args)]
pub(super) struct RevisionsArgs {
    #[command(flatten)]
    target: Target,
    /// Print the differences of this revision, by default the newest, to the one before
    #[arg(long, value_name = "REVISION", num_args = 0..=1, default_missing_value = "0")]
    diff: Option<i64>,
    /// Older revision to compare with
    #[arg(long, value_name = "REVISION", requires = "diff")]
    base: Option<i64>,
    /// Also if the article is not readable; requires the scope articles.edit
    #[arg(long)]
    any_state: bool,
    /// Maximum number of revisions
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn revisions(args: RevisionsArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?;
    let name = args.target.resolve(&mut client).await?;
    let mut retrieval = client.retrieval;
    let of = |number: i64| format!("{name}/revisions/{number}");
    if let Some(number) = args.diff {
        let newest = ListArticleRevisionsRequest {
            parent: name.clone(),
            page_size: 1,
            any_state: args.any_state,
            ..Default::default()
        };
        let revision = match number {
            0 => {
                let newest = retrieval.list_article_revisions(newest).await?.into_inner().revisions;
                newest.into_iter().next().map(|revision| revision.name).unwrap_or_default()
            }
            number => of(number),
        };
        let request = DiffArticleRevisionsRequest {
            name: revision,
            base_revision: args.base.map(of).unwrap_or_default(),
            any_state: args.any_state,
            ..Default::default()
        };
        return show_diff(&retrieval.diff_article_revisions(request).await?.into_inner());
    }
    let mut table = Table::new(["REVISION", "CHANGE", "TIME", "CHANGED", "REASON"]);
    let mut request =
        ListArticleRevisionsRequest { parent: name.clone(), any_state: args.any_state, ..Default::default() };
    let mut paging = Paging::new(args.limit, PAGE);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = retrieval.list_article_revisions(request.clone()).await?.into_inner();
        paging.read(page.revisions.len(), page.next_page_token);
        for revision in page.revisions {
            table.row([
                revision.name.rsplit('/').next().unwrap_or_default().to_owned(),
                change(revision.kind).to_owned(),
                time(revision.create_time.as_ref()),
                revision.changed_fields.join(","),
                revision.reason,
            ]);
        }
    }
    table.print("no revisions")
}

fn show_diff(diff: &DiffArticleRevisionsResponse) -> Result<(), Failure> {
    let base = if diff.base_revision.is_empty() { "nothing" } else { &diff.base_revision };
    print(&dim(&format!("{base} → {}", diff.name)))?;
    if diff.fields.is_empty() && diff.paragraphs.is_empty() {
        return print("no difference in the text and the fields");
    }
    for field in &diff.fields {
        let values = |one: &str, list: &[String]| if one.is_empty() { list.join(", ") } else { one.to_owned() };
        let (before, after) =
            (values(&field.old_value, &field.removed_values), values(&field.new_value, &field.added_values));
        print(&format!("{}: {}{}", field.path, removed(&before), inserted(&after)))?;
    }
    for paragraph in &diff.paragraphs {
        if paragraph.change() == ParagraphChange::Unchanged {
            print(&dim(&format!("… {} unchanged paragraphs", paragraph.count)))?;
            continue;
        }
        let text: String = paragraph
            .parts
            .iter()
            .map(|part| match part.kind() {
                DiffPartKind::Inserted => inserted(&part.text),
                DiffPartKind::Deleted => removed(&part.text),
                DiffPartKind::Equal | DiffPartKind::Unspecified => part.text.clone(),
            })
            .collect();
        print(&text)?;
    }
    Ok(())
}
