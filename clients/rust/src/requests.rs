//! Constructors of requests and filter conditions.

use crate::proto::watch_articles_request::Start;
use crate::proto::watch_stories_request::Start as StoriesStart;
use crate::proto::{StringCondition, WatchArticlesRequest, WatchStoriesRequest};

impl StringCondition {
    /// Returns the condition that an article has at least one of these values.
    pub fn any_of<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        Self { any_of: strings(values), ..Self::default() }
    }

    /// Returns the condition that an article has each of these values.
    pub fn all_of<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        Self { all_of: strings(values), ..Self::default() }
    }

    /// Returns the condition that an article has none of these values.
    pub fn none_of<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        Self { none_of: strings(values), ..Self::default() }
    }
}

impl WatchArticlesRequest {
    /// Returns a request for all changes from the beginning of the feed.
    pub fn from_beginning() -> Self {
        Self { start: Some(Start::Beginning(true)), ..Self::default() }
    }

    /// Returns a request for the changes after a token.
    pub fn after(change_token: impl Into<String>) -> Self {
        Self { start: Some(Start::ChangeToken(change_token.into())), ..Self::default() }
    }
}

impl WatchStoriesRequest {
    /// Returns a request for the stories of all articles, then all changes.
    pub fn from_beginning() -> Self {
        Self { start: Some(StoriesStart::Beginning(true)) }
    }

    /// Returns a request for the changes after a token.
    pub fn after(watch_token: impl Into<String>) -> Self {
        Self { start: Some(StoriesStart::WatchToken(watch_token.into())) }
    }
}

fn strings<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Vec<String> {
    values.into_iter().map(Into::into).collect()
}
