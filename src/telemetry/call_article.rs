//! Article name of the current call, for the log line at its end.

use std::cell::Cell;

thread_local! {
    /// Article name of the call that this thread polls. Most calls log nothing, so only those that do create a span: a
    /// span per call took a twelfth of the cost of a read from memory.
    static CURRENT: Cell<Option<String>> = const { Cell::new(None) };
}

/// Notes the article of the call that this thread polls.
pub fn set_call_article(name: &str) {
    tracing::Span::current().record("article", name);
    CURRENT.set(Some(name.to_owned()));
}

/// Takes the article noted by the call that this thread has just polled.
pub fn take_call_article() -> Option<String> {
    CURRENT.take()
}
