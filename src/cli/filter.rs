//! Flags that select articles and fields.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::proto::{ArticleFilter, Consistency, consistency::Requirement};

#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Filter")]
pub(super) struct FilterArgs {
    /// Publisher's host or name; repeatable, like the flags below
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Language, including its variants: en matches en-GB
    #[arg(long, value_name = "BCP47")]
    language: Vec<String>,
    /// Section
    #[arg(long)]
    section: Vec<String>,
    /// Keyword
    #[arg(long)]
    tag: Vec<String>,
    /// Author
    #[arg(long)]
    author: Vec<String>,
    /// News agency
    #[arg(long)]
    agency: Vec<String>,
    /// Earliest publish time (inclusive): 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Latest publish time (exclusive): 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Exclude articles that duplicate an earlier one
    #[arg(long)]
    no_duplicates: bool,
}

impl FilterArgs {
    pub(super) fn filter(&self) -> ArticleFilter {
        ArticleFilter {
            sources: self.source.clone(),
            languages: self.language.clone(),
            sections: self.section.clone(),
            tags: self.tag.clone(),
            authors: self.author.clone(),
            agencies: self.agency.clone(),
            publish_time_from: self.from.map(crate::article::to_proto),
            publish_time_until: self.until.map(crate::article::to_proto),
            text: String::new(),
            exclude_duplicates: self.no_duplicates,
            states: Vec::new(),
        }
    }
}

#[derive(Args, Clone, Default)]
pub(super) struct ReadArgs {
    /// Comma-separated fields to return: headline,body,dateline.place
    #[arg(long, value_name = "MASK")]
    fields: Option<String>,
    /// Read from the store, bypassing caches
    #[arg(long)]
    fresh: bool,
    /// Read data at least as fresh as this change token
    #[arg(long, value_name = "TOKEN", conflicts_with = "fresh")]
    at_least: Option<String>,
}

impl ReadArgs {
    pub(super) fn mask(&self) -> Option<prost_types::FieldMask> {
        mask(self.fields.as_deref())
    }

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

fn time(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse()
        .ok()
        .or_else(day)
        .ok_or_else(|| "must be a date or a time: 2026-11-24 or 2026-11-24T08:00:00Z".to_owned())
}
