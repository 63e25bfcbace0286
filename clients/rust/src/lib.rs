//! Client of Copydesk, a gRPC content service for news.
//!
//! [`Client::balanced`] balances calls over replicas and applies the timeouts and retries that Copydesk recommends for
//! each method. [`Client::connect`] uses one connection to one server, without retries.
//!
//! ```no_run
//! use copydesk_client::Client;
//! use copydesk_client::proto::ListArticlesRequest;
//!
//! # async fn headlines() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::balanced(&["http://10.0.0.1:50051", "http://10.0.0.2:50051"])?;
//! let page = client.retrieval.list_articles(ListArticlesRequest::default()).await?.into_inner();
//! for article in page.articles {
//!     println!("{}", article.headline);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Deadlines
//!
//! A call of a balanced client ends with DEADLINE_EXCEEDED at its own deadline or at its method's timeout, the earlier
//! of the two. Both include all attempts.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use copydesk_client::proto::GetArticleRequest;
//! use copydesk_client::tonic::Request;
//! # use copydesk_client::{Client, Retrying, tonic::Status};
//!
//! # async fn headline(mut client: Client<Retrying>) -> Result<String, Status> {
//! let mut request = Request::new(GetArticleRequest { name: "articles/ferry-fares".into(), ..Default::default() });
//! request.set_timeout(Duration::from_millis(200));
//! let response = client.retrieval.get_article(request).await?.into_inner();
//! # Ok(response.article.unwrap_or_default().headline)
//! # }
//! ```
//!
//! # Errors
//!
//! The `reason` of an error's details is stable: branch on it and on the code, never on the message.
//!
//! ```no_run
//! use copydesk_client::tonic::{Code, Status};
//! use copydesk_client::tonic_types::StatusExt;
//!
//! fn was_changed_meanwhile(status: &Status) -> bool {
//!     let reason = status.get_details_error_info().map(|info| info.reason);
//!     status.code() == Code::Aborted && reason.as_deref() == Some("ETAG_MISMATCH")
//! }
//! ```

mod client; // all services over one channel
mod endpoint; // address, connection settings
#[doc(hidden)]
pub mod grpc_timeout; // public for the server, which parses the same header
mod policy; // timeouts and retries of clients/service-config.json, which tonic does not read
pub mod proto;
mod replicas; // load balancing
mod requests; // constructors of requests and filter conditions
mod retrying; // channel that applies the policy
mod tls; // trust roots and client certificate
mod token; // channel that sends credentials

pub use client::Client;
pub use endpoint::ConnectError;
pub use retrying::Retrying;
pub use tls::Tls;
pub use token::{Authorized, Token};

// Crates whose types appear in this API, so that callers use the same versions.
pub use {prost_types, tonic, tonic_health, tonic_types};

/// Examples of the README, compiled by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
