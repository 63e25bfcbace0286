//! Removal of text that is not the article: navigation, teasers, share bars, notices.

mod captions;
mod cut;
mod foot;
mod furniture;
pub(super) mod page_text;
pub(super) mod rules;
