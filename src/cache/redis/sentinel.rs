//! Which server is the primary, as Sentinels say.

use ::redis::{Pipeline, RedisConnectionInfo, Value};

use super::options::{Address, RedisOptions, Server};
use super::wire::{Trouble, Wire, text};

impl RedisOptions {
    /// Where a server is now. Sentinels are asked all at once, and the first that knows is believed: should it be mistaken, the
    /// server itself says that it is a replica; and where two take themselves for the primary, each is repaired by those who
    /// read from it.
    pub(super) async fn find(&self, server: &Server) -> Result<Address, Trouble> {
        let (addresses, service) = match server {
            Server::At(address) => return Ok(address.clone()),
            Server::Named { sentinels, service } => (sentinels, service),
        };
        let asked = addresses.iter().map(|sentinel| Box::pin(self.primary(sentinel, service)));
        futures::future::select_ok(asked).await.map(|(address, _)| address)
    }

    async fn primary(&self, sentinel: &Address, service: &str) -> Result<Address, Trouble> {
        // User and password are the server's.
        let wire = Wire::open(sentinel, &RedisConnectionInfo::default(), self.tls.as_ref()).await?;
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        let told = match wire.ask(&pipeline).await?.pop() {
            Some(Value::Array(told)) => told.iter().filter_map(text).collect(),
            _ => Vec::new(),
        };
        match &told[..] {
            [host, port] => port.parse().ok().map(|port| Address { host: host.clone(), port }),
            _ => None,
        }
        .ok_or_else(|| Trouble::Refused("its Sentinel knows no primary of that name".into()))
    }
}
