//! The address and the fetch time of a page.

use jiff::Timestamp;
use url::Url;

/// The address and the time at which a page was fetched, if they are known.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fetched<'a> {
    pub(crate) url: Option<&'a Url>,
    pub(crate) time: Option<Timestamp>,
}
