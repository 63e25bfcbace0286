//! `withdraw`, `reinstate`, `delete` and `undelete`.

use clap::Args;

use super::article_text::state;
use super::connection::Connection;
use super::failure::{Failure, print};
use super::json;
use super::similar::copy_kind;
use super::target::Target;
use crate::proto::{
    Article, CopyKind, CopyOutcome, DeleteArticleRequest, ReinstateArticleRequest, UndeleteArticleRequest,
    WithdrawArticleRequest, WithdrawScope,
};

#[derive(Args)]
pub(super) struct WithdrawArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    edit: EditArgs,
    /// Also withdraw its copies, and reject or hold later ones: under any headline, with few edits, or a part of it
    #[arg(long, conflicts_with_all = ["exact_copies", "story"])]
    copies: bool,
    /// Also withdraw the other articles that have this headline and body now
    #[arg(long, conflicts_with = "story")]
    exact_copies: bool,
    /// Also withdraw the other articles of its story
    #[arg(long)]
    story: bool,
    /// If the article does not exist, refuse it when it comes
    #[arg(long)]
    allow_missing: bool,
}

#[derive(Args)]
pub(super) struct OneEditArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    edit: EditArgs,
}

/// Flags that all edits have.
#[derive(Args)]
pub(super) struct EditArgs {
    /// Reason, stored with the revision and shown to editors
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    /// Check everything and print the result, without writing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the article as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) connection: Connection,
}

pub(super) async fn withdraw(args: WithdrawArgs) -> Result<(), Failure> {
    let mut client = args.edit.connection.open().await?;
    let scopes = [
        (args.copies, WithdrawScope::Copies),
        (args.exact_copies, WithdrawScope::ExactCopies),
        (args.story, WithdrawScope::Story),
    ];
    let scope = scopes.into_iter().find(|(is_chosen, _)| *is_chosen).map_or(WithdrawScope::Article, |(_, scope)| scope);
    let request = WithdrawArticleRequest {
        name: args.target.name(),
        url: args.target.url.clone().unwrap_or_default(),
        external: args.target.external(),
        reason: args.edit.reason.clone(),
        allow_missing: args.allow_missing,
        validate_only: args.edit.dry_run,
        scope: scope.into(),
        ..Default::default()
    };
    let done = client.editorial.withdraw_article(request).await?.into_inner();
    args.edit.show(done.article.as_ref())?;
    for copy in &done.copies {
        let outcome = match copy.outcome() {
            CopyOutcome::LeftLonger => "left: it contains the text, and more other text",
            _ if copy.kind() == CopyKind::Unspecified => "withdrawn, of the same story",
            _ => "withdrawn, as a copy",
        };
        print(&format!("{}  {outcome}  {} {:.2}", copy.name, copy_kind(copy.kind()), copy.similarity))?;
    }
    if done.has_more_copies {
        print("there are more copies: run the command again")?;
    }
    Ok(())
}

pub(super) async fn reinstate(args: OneEditArgs) -> Result<(), Failure> {
    let mut client = args.edit.connection.open().await?;
    let name = args.target.resolve(&mut client).await?;
    let (reason, validate_only) = (args.edit.reason.clone(), args.edit.dry_run);
    let request = ReinstateArticleRequest { name, reason, validate_only, ..Default::default() };
    args.edit.show(client.editorial.reinstate_article(request).await?.into_inner().article.as_ref())
}

pub(super) async fn delete(args: OneEditArgs) -> Result<(), Failure> {
    let mut client = args.edit.connection.open().await?;
    let name = args.target.resolve(&mut client).await?;
    let (reason, validate_only) = (args.edit.reason.clone(), args.edit.dry_run);
    let request = DeleteArticleRequest { name, reason, validate_only, ..Default::default() };
    args.edit.show(client.editorial.delete_article(request).await?.into_inner().article.as_ref())
}

pub(super) async fn undelete(args: OneEditArgs) -> Result<(), Failure> {
    let mut client = args.edit.connection.open().await?;
    let name = args.target.resolve(&mut client).await?;
    let (reason, validate_only) = (args.edit.reason.clone(), args.edit.dry_run);
    let request = UndeleteArticleRequest { name, reason, validate_only, ..Default::default() };
    args.edit.show(client.editorial.undelete_article(request).await?.into_inner().article.as_ref())
}

impl EditArgs {
    /// Prints an edited article: its name, revision, state and headline.
    pub(super) fn show(&self, article: Option<&Article>) -> Result<(), Failure> {
        let article = article.ok_or_else(|| Failure::failed("the response contains no article"))?;
        if self.json {
            return print(&json::line(article).map_err(Failure::failed)?);
        }
        let dry = if self.dry_run { "  (dry run: nothing is written)" } else { "" };
        let revision = if self.dry_run { String::new() } else { format!("  revision {}", article.revision) };
        print(&format!("{}{revision}  {}  {}{dry}", article.name, state(article), article.headline))
    }
}
