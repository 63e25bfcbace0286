//! PostgreSQL sessions that a pooler resets (`DISCARD ALL`): prepared statements, LISTEN and settings are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, BytesMut};
use copydesk::store::Consistency;
use copydesk::store::postgres::PostgresOptions;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::conformance::databases::open;
use crate::conformance::fixtures::{at, id, ingest, titled};
use crate::conformance::indexes::search;
use crate::support::database::{Cluster, Database, USER};

/// A pooler with one server session per connection, which it resets on request before the next statement.
struct Pooler {
    port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Resets requested so far. A session is reset once for all that it has missed.
    requested: AtomicUsize,
    /// Errors of statements that are gone (SQLSTATE 26000).
    gone: AtomicUsize,
    /// Sessions that have ended.
    ended: AtomicUsize,
}

impl Pooler {
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, counts) = (listener.local_addr().unwrap().port(), Arc::new(Counts::default()));
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let counts = Arc::clone(&shared);
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    // Messages are passed on one by one, which must not wait for acknowledgements.
                    for stream in [&client, &server] {
                        stream.set_nodelay(true).unwrap();
                    }
                    // Ends with either side.
                    let _ended = Session::new(client, server, Arc::clone(&counts)).run().await;
                    counts.ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { port, counts }
    }

    fn options(&self, database: &Database) -> PostgresOptions {
        let url = format!("postgres://{USER}@127.0.0.1:{}/{}?sslmode=disable", self.port, database.name);
        let mut options = PostgresOptions::new(&url).unwrap();
        options.connections = 4;
        options
    }

    fn reset(&self) {
        self.counts.requested.fetch_add(1, Ordering::Relaxed);
    }

    fn gone(&self) -> usize {
        self.counts.gone.load(Ordering::Relaxed)
    }

    fn ended(&self) -> usize {
        self.counts.ended.load(Ordering::Relaxed)
    }
}

/// Half of a connection, read message by message.
struct Messages {
    from: OwnedReadHalf,
    read: BytesMut,
}

impl Messages {
    /// Returns the next message: its type, except in the first of a client, its length and its content. May be
    /// cancelled.
    async fn next(&mut self, has_type: bool) -> std::io::Result<BytesMut> {
        let start = usize::from(has_type);
        loop {
            if self.read.len() >= start + 4 {
                let length = start + (&self.read[start..start + 4]).get_u32() as usize;
                if self.read.len() >= length {
                    return Ok(self.read.split_to(length));
                }
            }
            if self.from.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Connection of a client with its server session.
struct Session {
    client: Messages,
    to_client: OwnedWriteHalf,
    server: Messages,
    to_server: OwnedWriteHalf,
    counts: Arc<Counts>,
    /// Requests that the server has not answered yet.
    pending: usize,
    in_transaction: bool,
    resets: usize,
}

impl Session {
    fn new(client: TcpStream, server: TcpStream, counts: Arc<Counts>) -> Self {
        let ((client, to_client), (server, to_server)) = (client.into_split(), server.into_split());
        let [client, server] = [client, server].map(|from| Messages { from, read: BytesMut::new() });
        let resets = counts.requested.load(Ordering::Relaxed);
        // The start of the session is a request too.
        Self { client, to_client, server, to_server, counts, pending: 1, in_transaction: false, resets }
    }

    async fn run(mut self) -> std::io::Result<()> {
        let start = self.client.next(false).await?;
        self.to_server.write_all(&start).await?;
        loop {
            tokio::select! {
                biased;
                message = self.server.next(true) => self.answer(&message?).await?,
                message = self.client.next(true) => {
                    let message = message?;
                    self.reset_if_requested().await?;
                    self.pending += usize::from(matches!(message[0], b'Q' | b'S'));
                    self.to_server.write_all(&message).await?;
                }
            }
        }
    }

    async fn answer(&mut self, message: &[u8]) -> std::io::Result<()> {
        match message[0] {
            b'Z' => {
                self.pending -= 1;
                self.in_transaction = message[5] != b'I';
            }
            b'E' if message.windows(7).any(|field| field == b"C26000\0") => {
                self.counts.gone.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        self.to_client.write_all(message).await
    }

    async fn reset_if_requested(&mut self) -> std::io::Result<()> {
        let requested = self.counts.requested.load(Ordering::Relaxed);
        if self.resets == requested || self.pending > 0 || self.in_transaction {
            return Ok(());
        }
        self.to_server.write_all(b"Q\0\0\0\x10DISCARD ALL\0").await?;
        while self.server.next(true).await?[0] != b'Z' {}
        self.resets = requested;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_statements_that_are_gone_are_prepared_again() {
    const ROUNDS: usize = 5;
    let database = Cluster::shared().database().await;
    let pooler = Pooler::start(Cluster::shared().port()).await;
    let store = open(pooler.options(&database)).await;
    let names: Vec<String> = (0..20).map(|number| format!("a-{number}")).collect();
    for name in &names {
        store.write(vec![ingest(name, titled(name), at(0))]).await.remove(0).unwrap();
    }
    let read_all = async || {
        let reads = names
            .iter()
            .cycle()
            .take(200)
            .map(async |name| store.get(&[id(name)], Consistency::Full).await.unwrap()[0].record.clone().unwrap());
        for (name, record) in names.iter().cycle().zip(join_all(reads).await) {
            assert_eq!(record.id.as_str(), name);
        }
    };
    read_all().await;
    assert_eq!(pooler.gone(), 0);
    let ended = pooler.ended();
    for round in 1..=ROUNDS {
        let before = pooler.gone();
        pooler.reset();
        read_all().await;
        // A statement that was prepared again after the last reset is gone again.
        assert!(pooler.gone() > before, "no statement was gone in round {round}");
        let name = format!("b-{round}");
        store.write(vec![ingest(&name, titled(&name), at(0))]).await.remove(0).unwrap();
    }
    let gone = pooler.gone();
    read_all().await;
    assert_eq!(pooler.gone(), gone, "a statement that is not prepared again fails for ever");
    assert_eq!(pooler.ended(), ended, "a session that was reset can be used further");
    // Last, because an index that is closed cancels its reads.
    assert_eq!(search(&store, "\"b 3\"", at(1)).await.len(), 1);
}
