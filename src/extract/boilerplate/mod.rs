//! Removal of text that is not the article: navigation, teasers, share bars, notices.

pub(super) mod page_text;
pub(super) mod rules;
