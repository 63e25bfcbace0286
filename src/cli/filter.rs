//! Flags that select articles, fields, and how a query is read.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::proto::{
    ArticleFilter, ArticleState, ArticleView, Consistency, MediaKind, MediaKindCondition, SearchField, StringCondition,
    consistency::Requirement,
};

#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Filter")]
pub(super) struct FilterArgs {
    /// Publisher; repeatable, like the flags below: articles with at least one of the values
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Host of the URL
    #[arg(long)]
    host: Vec<String>,
    /// Language, including its variants: en matches en-GB
    #[arg(long, value_name = "BCP47")]
    language: Vec<String>,
    /// Section
    #[arg(long)]
    section: Vec<String>,
    /// Keyword
    #[arg(long)]
    tag: Vec<String>,
    /// Keyword of articles to leave out
    #[arg(long, value_name = "TAG")]
    without_tag: Vec<String>,
    /// Author
    #[arg(long)]
    author: Vec<String>,
    /// News agency
    #[arg(long)]
    agency: Vec<String>,
    /// Kind of media: image, video or audio
    #[arg(long, value_name = "KIND", value_parser = media)]
    media: Vec<MediaKind>,
    /// Annotation: desk=sport, or desk for any value
    #[arg(long, value_name = "KEY[=VALUE]")]
    annotation: Vec<String>,
    /// Start of the publish times (inclusive): 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// End of the publish times (exclusive): 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Start of the times of the last change (inclusive)
    #[arg(long, value_name = "TIME", value_parser = time)]
    updated_from: Option<Timestamp>,
    /// End of the times of the last change (exclusive)
    #[arg(long, value_name = "TIME", value_parser = time)]
    updated_until: Option<Timestamp>,
    /// Content digest: the articles with this headline and body
    #[arg(long, value_name = "DIGEST")]
    content_digest: Vec<String>,
    /// Of articles with the same headline and body, only the earliest
    #[arg(long)]
    one_per_text: bool,
    /// Story, stories/{story}; in lists, searches, counts and suggestions
    #[arg(long, value_name = "STORY")]
    story: Vec<String>,
    /// Story whose articles to leave out; in lists, searches, counts and suggestions
    #[arg(long, value_name = "STORY")]
    without_story: Vec<String>,
    /// Of the articles of one story, only the earliest in a list, and the first result of a search
    #[arg(long, conflicts_with = "one_per_text")]
    one_per_story: bool,
}

impl FilterArgs {
    pub(super) fn filter(&self) -> ArticleFilter {
        let media: Vec<i32> = self.media.iter().map(|kind| i32::from(*kind)).collect();
        let tags = StringCondition {
            any_of: self.tag.clone(),
            none_of: self.without_tag.clone(),
            ..StringCondition::default()
        };
        let stories = StringCondition {
            any_of: self.story.clone(),
            none_of: self.without_story.clone(),
            ..StringCondition::default()
        };
        ArticleFilter {
            sources: any_of(&self.source),
            hosts: any_of(&self.host),
            languages: any_of(&self.language),
            sections: any_of(&self.section),
            tags: Some(tags),
            authors: any_of(&self.author),
            agencies: any_of(&self.agency),
            media_kinds: Some(MediaKindCondition { any_of: media, ..MediaKindCondition::default() }),
            annotations: any_of(&self.annotation),
            start_publish_time: self.from.map(crate::article::to_proto),
            end_publish_time: self.until.map(crate::article::to_proto),
            start_update_time: self.updated_from.map(crate::article::to_proto),
            end_update_time: self.updated_until.map(crate::article::to_proto),
            content_digests: any_of(&self.content_digest),
            one_per_text: self.one_per_text,
            stories: Some(stories),
            one_per_story: self.one_per_story,
            ..ArticleFilter::default()
        }
    }
}

fn any_of(values: &[String]) -> Option<StringCondition> {
    (!values.is_empty()).then(|| StringCondition::any_of(values.iter().cloned()))
}

/// Parses a kind of media: `video`.
fn media(text: &str) -> Result<MediaKind, String> {
    let name = format!("MEDIA_KIND_{}", text.to_ascii_uppercase());
    let known = MediaKind::from_str_name(&name).filter(|kind| *kind != MediaKind::Unspecified);
    known.ok_or_else(|| "must be image, video or audio".to_owned())
}

/// States of articles to select.
#[derive(Args, Clone, Default)]
pub(super) struct StateArgs {
    /// State, instead of readable articles; repeatable; requires the scope articles.edit
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<ArticleState>,
}

impl StateArgs {
    pub(super) fn states(&self) -> Vec<i32> {
        self.state.iter().map(|state| i32::from(*state)).collect()
    }
}

/// Parses a state: `withdrawn`.
fn state(text: &str) -> Result<ArticleState, String> {
    let name = format!("ARTICLE_STATE_{}", text.to_ascii_uppercase());
    let known = ArticleState::from_str_name(&name).filter(|state| *state != ArticleState::Unspecified);
    known.ok_or_else(|| "must be active, embargoed, withdrawn, deleted, expired or expected".to_owned())
}

/// Language of a query and the fields that it searches.
#[derive(Args, Clone, Default)]
pub(super) struct QueryArgs {
    /// Language of the query, for the forms of its words; default: detected
    #[arg(long, value_name = "BCP47", default_value = "", hide_default_value = true)]
    query_language: String,
    /// Comma-separated fields to search: headline, subheadline, body, authors, names (tags, subjects, agency,
    /// publisher, section, place) and source; default: all but source
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = search_field)]
    search_in: Vec<SearchField>,
}

impl QueryArgs {
    pub(super) fn language_code(&self) -> String {
        self.query_language.clone()
    }

    pub(super) fn fields(&self) -> Vec<i32> {
        self.search_in.iter().map(|field| i32::from(*field)).collect()
    }
}

/// Parses a field that is searched: `headline`.
fn search_field(text: &str) -> Result<SearchField, String> {
    let known = SearchField::from_str_name(&format!("SEARCH_FIELD_{}", text.trim().to_ascii_uppercase()));
    let known = known.filter(|field| *field != SearchField::Unspecified);
    known.ok_or_else(|| "must be headline, subheadline, body, authors, names or source".to_owned())
}

/// Fields of articles to return.
#[derive(Args, Clone, Default)]
pub(super) struct FieldsArgs {
    /// Comma-separated fields to return: headline,body,dateline.place
    #[arg(long, value_name = "MASK")]
    fields: Option<String>,
    /// Fields to return, instead of --fields: basic (all except body, blocks and media) or full; default: basic
    /// for lists and searches, otherwise full
    #[arg(long, value_name = "VIEW", value_parser = view, conflicts_with = "fields")]
    view: Option<ArticleView>,
}

impl FieldsArgs {
    pub(super) fn mask(&self) -> Option<prost_types::FieldMask> {
        mask(self.fields.as_deref())
    }

    pub(super) fn view(&self) -> i32 {
        self.view.unwrap_or_default().into()
    }
}

/// Parses a view: `basic`.
fn view(text: &str) -> Result<ArticleView, String> {
    let known = ArticleView::from_str_name(&format!("ARTICLE_VIEW_{}", text.to_ascii_uppercase()));
    let known = known.filter(|view| *view != ArticleView::Unspecified);
    known.ok_or_else(|| "must be basic or full".to_owned())
}

#[derive(Args, Clone, Default)]
pub(super) struct ReadArgs {
    #[command(flatten)]
    pub(super) fields: FieldsArgs,
    #[command(flatten)]
    consistency: ConsistencyArgs,
}

impl ReadArgs {
    pub(super) fn consistency(&self) -> Option<Consistency> {
        self.consistency.consistency()
    }
}

/// Required freshness.
#[derive(Args, Clone, Default)]
pub(super) struct ConsistencyArgs {
    /// Read from the store, bypassing caches
    #[arg(long)]
    fresh: bool,
    /// Read data at least as fresh as this change token
    #[arg(long, value_name = "TOKEN", conflicts_with = "fresh")]
    at_least: Option<String>,
}

impl ConsistencyArgs {
    pub(super) fn consistency(&self) -> Option<Consistency> {
        let token = self.at_least.clone().map(Requirement::AtLeastAsFresh);
        let requirement = token.or(self.fresh.then_some(Requirement::FullyConsistent(true)))?;
        Some(Consistency { requirement: Some(requirement) })
    }
}

pub(super) fn mask(fields: Option<&str>) -> Option<prost_types::FieldMask> {
    let paths = fields?.split(',').map(|path| path.trim().to_owned()).collect();
    Some(prost_types::FieldMask { paths })
}

/// Parses a date or a time.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse()
        .ok()
        .or_else(day)
        .ok_or_else(|| "must be a date or a time: 2026-11-24 or 2026-11-24T08:00:00Z".to_owned())
}
