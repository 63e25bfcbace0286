//! The body of a page: each block of text is judged by a learned model.

mod candidate;
pub(crate) mod captions;
mod class_words;
mod decide;
mod feature_names;
mod features;
mod line_stats;
mod place;
mod shingles;
pub(crate) mod stated;
mod stats;

pub(crate) use decide::Judgement;
pub(crate) use feature_names::NAMES;
pub(crate) use features::{Page, Witness};
pub(crate) use place::{Container, Place, Places};
