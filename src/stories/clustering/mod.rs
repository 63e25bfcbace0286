//! Online clustering: reports of one event, whatever their words and languages.

mod clusterer;
mod features;
mod hash;
mod index;
mod linkage;
mod names;
mod numbers;
mod rarity;
mod regroup;
mod report;
mod similarity;
mod skeleton;
mod terms;
mod window;
mod words;

pub use clusterer::Clusterer;
pub use features::{Features, MAX_NAMES, MAX_NUMBERS, MAX_TERMS};
pub use linkage::{MAX_GAP, MAX_SPAN};
pub use regroup::Step;
pub use report::Report;
pub use window::{founder_of, round_of};
