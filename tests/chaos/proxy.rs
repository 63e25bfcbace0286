//! A TCP proxy that can delay, cut or swallow connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::random::Random;

/// Treatment of data in transit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Each piece is delayed by up to this time. Messages on other connections then overtake it.
    Slow(Duration),
    /// One piece of ten is delayed by up to this time: a response that was correct when sent arrives after the
    /// invalidation of its content.
    Fitful(Duration),
    /// Nothing arrives, and nothing is refused. Data sent meanwhile arrives once the connection reopens.
    BlackHole,
    /// New connections are refused, and open ones closed.
    Closed,
}

pub struct Proxy {
    pub port: u16,
    way: watch::Sender<Way>,
    /// Counter of cuts. A connection ends at the next cut.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, cuts) = (watch::Sender::new(Way::Open), watch::Sender::new(0));
        let route = Arc::new(Route { to, way: way.subscribe(), cuts: cuts.subscribe() });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let route = Arc::clone(&route);
                tokio::spawn(async move { route.carry(client).await });
            }
        });
        Self { port, way, cuts }
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
        if way == Way::Closed {
            self.cut();
        }
    }

    /// Closes every open connection.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

struct Route {
    to: u16,
    way: watch::Receiver<Way>,
    cuts: watch::Receiver<u64>,
}

impl Route {
    async fn carry(&self, client: TcpStream) {
        let mut cuts = self.cuts.clone();
        cuts.borrow_and_update();
        if *self.way.borrow() == Way::Closed {
            return;
        }
        let carried = async {
            self.passable().await;
            let Ok(server) = TcpStream::connect(("127.0.0.1", self.to)).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::select! {
                () = self.pass(from_client, to_server) => {}
                () = self.pass(from_server, to_client) => {}
            }
        };
        tokio::select! {
            () = carried => {}
            _ = cuts.changed() => {}
        }
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 << 10];
        let mut random = Random::new(u64::from(self.to), std::ptr::from_ref(&buffer).addr() as u64);
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.passable().await;
            let way = *self.way.borrow();
            match way {
                Way::Slow(max) => tokio::time::sleep(random.millis(0, max.as_millis() as u64 + 1)).await,
                Way::Fitful(max) if random.chance(10) => {
                    tokio::time::sleep(random.millis(0, max.as_millis() as u64 + 1)).await;
                }
                _ => {}
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    async fn passable(&self) {
        // Fails only if the proxy and its runtime are gone.
        let _ = self.way.clone().wait_for(|way| *way != Way::BlackHole).await;
    }
}
