//! Discovery of the primary through Sentinels.

use ::redis::{Pipeline, RedisConnectionInfo, Value};

use super::options::{Address, RedisOptions, Server};
use super::protocol::connection::{Connection, RedisError, text};

impl RedisOptions {
    /// Resolves the current address of a server. All Sentinels are queried at once, and the first answer wins. If it is
    /// wrong, the server itself reports that it is a replica; if two servers claim to be the primary, the replicas that
    /// read from each of them also invalidate it.
    pub(super) async fn find(&self, server: &Server) -> Result<Address, RedisError> {
        let (addresses, service) = match server {
            Server::At(address) => return Ok(address.clone()),
            Server::Named { sentinels, service } => (sentinels, service),
        };
        let queries = addresses.iter().map(|sentinel| Box::pin(self.primary(sentinel, service)));
        futures::future::select_ok(queries).await.map(|(address, _)| address)
    }

    async fn primary(&self, sentinel: &Address, service: &str) -> Result<Address, RedisError> {
        // User and password belong to the server, not to the Sentinel.
        let connection = Connection::open(sentinel, &RedisConnectionInfo::default(), self.tls.as_ref()).await?;
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        let response = match connection.send(&pipeline).await?.pop() {
            Some(Value::Array(parts)) => parts.iter().filter_map(text).collect(),
            _ => Vec::new(),
        };
        match &response[..] {
            [host, port] => port.parse().ok().map(|port| Address { host: host.clone(), port }),
            _ => None,
        }
        .ok_or_else(|| RedisError::Refused("Sentinel knows no primary of this service name".into()))
    }
}
