//! Flags that say which articles, and which fields of them.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::proto::{ArticleFilter, Consistency, consistency::Requirement};

#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Which articles")]
pub(super) struct FilterArgs {
    /// Of this publisher's host or name; may be given more than once, as may all below
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// In this language: en also means en-GB
    #[arg(long, value_name = "BCP47")]
    language: Vec<String>,
    /// In this section
    #[arg(long)]
    section: Vec<String>,
    /// With this keyword
    #[arg(long)]
    tag: Vec<String>,
    /// By this author
    #[arg(long)]
    author: Vec<String>,
    /// From this news agency
    #[arg(long)]
    agency: Vec<String>,
    /// Published at or after: 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Published before
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Leave out articles that say what an earlier one says
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
        }
    }
}

#[derive(Args, Clone, Default)]
pub(super) struct ReadArgs {
    /// Answer with these fields alone: headline,body,dateline.place
    #[arg(long, value_name = "MASK")]
    fields: Option<String>,
    /// Ask the store itself, not a cache
    #[arg(long)]
    fresh: bool,
    /// See at least the write that answered with this change token
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
    text.parse().ok().or_else(day).ok_or_else(|| "must be like 2026-11-24 or 2026-11-24T08:00:00Z".to_owned())
}
