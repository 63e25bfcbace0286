//! Copydesk as its clients see it: over a real port, on a real store.

mod service; // each method's plain case
mod support; // servers and clients for the tests
