//! Who may call what.

mod audit_log; // who changed what
mod away; // what happens while keys cannot be read
mod issuer; // an issuer of tokens, of the tests' own
mod keys; // API keys: made, wrong, taken back
mod methods; // each method with each credential
mod ports; // ports that others can reach
mod rates; // how much one caller may do
mod shares; // callers share the store and the streams
mod takedown; // hiding readable articles by their times
mod tokens; // tokens of an issuer

use std::sync::Arc;
use std::time::Duration;

use copydesk::access::{AccessOptions, JwtOptions, make};
use copydesk::client::{Authorized, Client, Tls, Token};
use copydesk::proto::*;
use copydesk::server::{ServerOptions, StoreOptions};
use copydesk::store::sqlite::SqliteOptions;
use copydesk::store::{KeyStore, StoredKey};
use jiff::Timestamp;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::TestServer;

/// More than anything here takes.
const SOON: Duration = Duration::from_secs(60);

type Connected = Client<Authorized<Channel>>;

/// Has callers told apart.
fn guarded(options: &mut ServerOptions, jwt: Option<JwtOptions>) {
    options.access = Some(AccessOptions { staleness_bound: Duration::from_secs(1), rate: None, jwt });
}

/// A server on a new embedded store that tells callers apart, and its keys.
async fn desk(change: impl FnOnce(&mut ServerOptions)) -> (TestServer, Arc<dyn KeyStore>) {
    let server = TestServer::with(|options| {
        guarded(options, None);
        change(options);
    })
    .await;
    let keys = StoreOptions::Sqlite(SqliteOptions::new(server.dir.path())).keys().await.unwrap();
    (server, keys)
}

/// Makes a key: its ID, and all of it.
async fn key(store: &Arc<dyn KeyStore>, scopes: &str, change: impl FnOnce(&mut StoredKey)) -> (String, String) {
    let new = make().unwrap();
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

/// What a read answers that needs nothing to be there: NOT_FOUND of whoever may read.
async fn read(client: &Connected) -> Status {
    let request = GetArticleRequest { name: "articles/none".into(), ..Default::default() };
    client.retrieval.clone().get_article(request).await.expect_err("there is no such article")
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Waits until reads of this caller end so.
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
    tokio::time::timeout(SOON, reached).await.expect("it comes to that")
}

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, reached).await.is_ok(), "it never came to that: {what}");
}

/// How a watch ends.
async fn end_of(mut watch: tonic::Streaming<WatchArticlesResponse>) -> Status {
    let ended = async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended as if all were well"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("it ends")
}
