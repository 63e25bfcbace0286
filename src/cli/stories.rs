//! `stories` and `story`: recent stories, and the articles of one.

use clap::Args;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::paging::Paging;
use super::table::Table;
use super::{article_text, json};
use crate::proto::{
    GetStoryRequest, ListStoriesRequest, ListStoryArticlesRequest, ListTopStoriesRequest, Story, StoryFilter,
};

/// Maximum stories, or articles, per request.
const BATCH: usize = 100;
/// Maximum top stories per request.
const TOP_BATCH: usize = 50;

#[derive(Args)]
pub(super) struct StoriesArgs {
    /// Those that most independent sources report now, instead of the latest
    #[arg(long)]
    top: bool,
    /// Only articles of this source count; repeatable
    #[arg(long)]
    source: Vec<String>,
    /// Only articles in this language count; repeatable
    #[arg(long)]
    language: Vec<String>,
    /// Only articles of this section count; repeatable
    #[arg(long)]
    section: Vec<String>,
    /// Minimum number of independent sources
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..))]
    min_sources: i32,
    /// Maximum number of stories
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn stories(args: StoriesArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let filter = Some(StoryFilter {
        sources: args.source.clone(),
        languages: args.language.clone(),
        sections: args.section.clone(),
        min_source_count: args.min_sources,
    });
    let mut table = Table::new(["LATEST", "NAME", "ARTICLES", "SOURCES", "HEADLINE"]);
    let mut show = |story: &Story| {
        table.row([
            article_text::time(story.latest_time.as_ref()),
            story.name.clone(),
            story.article_count.to_string(),
            story.source_count.to_string(),
            story.headline.clone(),
        ]);
    };
    if args.top {
        let mut request = ListTopStoriesRequest { filter, ..Default::default() };
        let mut paging = Paging::new(args.limit, TOP_BATCH);
        while paging.next(&mut request.page_size, &mut request.page_token) {
            let page = client.list_top_stories(request.clone()).await?.into_inner();
            paging.read(page.top_stories.len(), page.next_page_token);
            for top in &page.top_stories {
                match &top.story {
                    Some(_) if args.json => print(&json::line(top).map_err(Failure::failed)?)?,
                    Some(story) => show(story),
                    None => {}
                }
            }
        }
    } else {
        let mut request = ListStoriesRequest { filter, ..Default::default() };
        let mut paging = Paging::new(args.limit, BATCH);
        while paging.next(&mut request.page_size, &mut request.page_token) {
            let page = client.list_stories(request.clone()).await?.into_inner();
            paging.read(page.stories.len(), page.next_page_token);
            for story in &page.stories {
                if args.json {
                    print(&json::line(story).map_err(Failure::failed)?)?;
                } else {
                    show(story);
                }
            }
        }
    }
    if args.json { Ok(()) } else { table.print("no stories") }
}

#[derive(Args)]
pub(super) struct StoryArgs {
    /// Story name, stories/{story}; or article name, {article} or articles/{article}, for its story
    name: String,
    /// Maximum number of articles
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON lines: the story, then its articles
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn story(args: StoryArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let name = match args.name.as_str() {
        story if story.starts_with("stories/") => story.to_owned(),
        article => format!("{}/story", super::target::full_name(article)),
    };
    let story = client.get_story(GetStoryRequest { name }).await?.into_inner().story.unwrap_or_default();
    if args.json {
        print(&json::line(&story).map_err(Failure::failed)?)?;
    } else {
        print(&format!("{}\n", heading(&story)))?;
    }
    let mut table = Table::new(["TIME", "NAME", "SOURCE", "HEADLINE"]);
    let mut request = ListStoryArticlesRequest { parent: story.name, ..Default::default() };
    let mut paging = Paging::new(args.limit, BATCH);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.list_story_articles(request.clone()).await?.into_inner();
        paging.read(page.articles.len(), page.next_page_token);
        for article in &page.articles {
            if args.json {
                print(&json::line(article).map_err(Failure::failed)?)?;
            } else {
                let [time, name, headline] = article_text::entry(article);
                table.row([time, name, article.source.clone(), headline]);
            }
        }
    }
    if args.json { Ok(()) } else { table.print("no articles") }
}

/// Returns the headline of a story, and its name and counts in a second line.
pub(super) fn heading(story: &Story) -> String {
    let counts =
        [(story.article_count, "articles"), (story.source_count, "independent sources"), (story.copy_count, "copies")];
    let counts: Vec<String> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
    format!("{}\n{}  {}", story.headline, story.name, counts.join(", "))
}
