//! Authentication, authorization, rate limits and the audit log.

mod api_keys; // API keys: created, wrong, revoked
mod audit_log; // audit log of writes
mod editors; // reads of articles in every state
mod exposed_ports; // ports that others can reach
mod fair_sharing; // fair sharing of the store and the streams
mod methods; // each method with each credential
mod rate_limits; // rate limits
mod request_ids; // request IDs of several callers
mod takedown; // hiding readable articles by their times
mod tokens; // tokens of an issuer
mod unreachable_keys; // unreadable keys

use std::sync::Arc;
use std::time::Duration;

use copydesk::access::{AccessOptions, JwtOptions, generate_key};
use copydesk::proto::*;
use copydesk::server::{ServerOptions, StoreOptions};
use copydesk::store::sqlite::SqliteOptions;
use copydesk::store::{KeyStore, StoredKey};
use copydesk_client::{Authorized, Client, Tls, Token};
use jiff::Timestamp;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::TestServer;

/// Timeout that exceeds every wait here.
const SOON: Duration = Duration::from_secs(60);

type Connected = Client<Authorized<Channel>>;

/// Enables authentication.
fn guarded(options: &mut ServerOptions, jwt: Option<JwtOptions>) {
    options.access = Some(AccessOptions { staleness_bound: Duration::from_secs(1), rate: None, jwt });
}

/// Starts a server with authentication on a new embedded store. Returns it with its keys.
async fn desk(change: impl FnOnce(&mut ServerOptions)) -> (TestServer, Arc<dyn KeyStore>) {
    let server = TestServer::with(|options| {
        guarded(options, None);
        change(options);
    })
    .await;
    let keys = StoreOptions::Sqlite(SqliteOptions::new(server.dir.path())).keys().await.unwrap();
    (server, keys)
}

/// Creates a key. Returns its ID and its text.
async fn key(store: &Arc<dyn KeyStore>, scopes: &str, change: impl FnOnce(&mut StoredKey)) -> (String, String) {
    let new = generate_key().unwrap();
    let mut stored = StoredKey {
        id: new.id.clone(),
        name: "the tests'".into(),
        digest: new.digest,
        scopes: scopes.into(),
        rate: String::new(),
        created: Timestamp::now(),
        expires: None,
        revoked: None,
    };
    change(&mut stored);
    store.add_key(stored).await.unwrap();
    (new.id, new.text)
}

async fn client(server: &TestServer, token: &str) -> Connected {
    connect(&server.address.to_string(), token).await
}

async fn connect(address: &str, token: &str) -> Connected {
    Client::connect_with(address, &Tls::default(), Some(Token::new(token).unwrap())).await.unwrap()
}

/// Reads a missing article. Returns the status: NOT_FOUND if the caller may read.
async fn read(client: &Connected) -> Status {
    let request = GetArticleRequest { name: "articles/none".into(), ..Default::default() };
    client.retrieval.clone().get_article(request).await.expect_err("there is no such article")
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Waits until reads of this caller end with `code`.
async fn until_read(client: &Connected, code: Code) -> Status {
    let reached = async {
        loop {
            let status = read(client).await;
            if status.code() == code {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, reached).await.expect("reads end with the code")
}

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, reached).await.is_ok(), "timed out waiting until {what}");
}

/// Returns the status that a watch ends with.
async fn end_of(mut watch: tonic::Streaming<WatchArticlesResponse>) -> Status {
    let ended = async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the watch ended with OK"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("the watch ends")
}
