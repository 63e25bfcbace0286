//! `move-articles` and `merge-stories`: stories as editors decide.

use clap::Args;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::json;
use super::stories::heading;
use super::target::full_name;
use crate::proto::{MergeStoriesRequest, MoveStoryArticlesRequest, Story};

#[derive(Args)]
pub(super) struct MoveArticlesArgs {
    /// Name of the story that the articles are in, stories/{story}
    parent: String,
    /// Names of the articles, {article} or articles/{article}; at most 100
    #[arg(required = true)]
    articles: Vec<String>,
    /// Name of the story to move them to; without it they become a new story
    #[arg(long, value_name = "STORY")]
    to: Option<String>,
    #[command(flatten)]
    edit: StoryEditArgs,
}

#[derive(Args)]
pub(super) struct MergeStoriesArgs {
    /// Name of the story that remains, stories/{story}
    name: String,
    /// Name of the story that becomes part of it, stories/{story}
    source: String,
    #[command(flatten)]
    edit: StoryEditArgs,
}

/// Flags of both commands.
#[derive(Args)]
struct StoryEditArgs {
    /// Check everything and print the result, without writing
    #[arg(long)]
    dry_run: bool,
    /// Print the story as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn move_articles(args: MoveArticlesArgs) -> Result<(), Failure> {
    let mut client = args.edit.connection.open().await?.editorial;
    let request = MoveStoryArticlesRequest {
        parent: args.parent,
        articles: args.articles.iter().map(|name| full_name(name)).collect(),
        destination_story: args.to.unwrap_or_default(),
        validate_only: args.edit.dry_run,
    };
    args.edit.show(client.move_story_articles(request).await?.into_inner().story)
}

pub(super) async fn merge_stories(args: MergeStoriesArgs) -> Result<(), Failure> {
    let mut client = args.edit.connection.open().await?.editorial;
    let request = MergeStoriesRequest { name: args.name, source_story: args.source, validate_only: args.edit.dry_run };
    args.edit.show(client.merge_stories(request).await?.into_inner().story)
}

impl StoryEditArgs {
    fn show(&self, story: Option<Story>) -> Result<(), Failure> {
        let story = story.ok_or_else(|| Failure::failed("the response contains no story"))?;
        if self.json {
            return print(&json::line(&story).map_err(Failure::failed)?);
        }
        let dry = if self.dry_run { "  (dry run: nothing is written)" } else { "" };
        print(&format!("{}{dry}", heading(&story)))
    }
}
