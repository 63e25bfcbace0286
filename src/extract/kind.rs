//! Kinds of pages.

/// Kinds of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageKind {
    /// Not decided: no page, but a text, a feed's entry or an item of a wire.
    #[default]
    Unknown,
    /// A story.
    Article,
    /// A story told in updates.
    LiveBlog,
    /// The beginning of a story, before an offer of a subscription.
    PaywallStub,
    /// A list of stories or other pages: a section, a tag, a home page, results of a search.
    Listing,
    /// A discussion.
    Forum,
    /// A product, or several.
    Product,
    /// A page of a site about itself or its services: contact, privacy policy, documentation.
    ServicePage,
    /// A request for consent in place of a page.
    ConsentWall,
    /// A check of the browser in place of a page.
    RobotCheck,
    /// A page that says that there is none.
    NotFound,
    /// A form to log in.
    Login,
}

impl PageKind {
    /// Returns the words for a page of the kind.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "document",
            Self::Article => "article",
            Self::LiveBlog => "live blog",
            Self::PaywallStub => "beginning of an article behind a paywall",
            Self::Listing => "list of pages",
            Self::Forum => "discussion",
            Self::Product => "page of a product",
            Self::ServicePage => "page about a site or a service",
            Self::ConsentWall => "request for consent",
            Self::RobotCheck => "check of the browser",
            Self::NotFound => "page that says that there is none",
            Self::Login => "form to log in",
        }
    }
}
