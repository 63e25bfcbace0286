//! Copydesk as its clients see it: over a real port, on a real store.
#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod bad_input; // whatever comes in
mod conformance; // what every store keeps
mod model; // lists, watches and exports over random histories
mod rooms; // which room may import which
mod service; // each method's plain case
mod support; // servers and clients for the tests
