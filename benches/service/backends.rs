//! PostgreSQL and Redis behind the service, and the layer that answered a read.

use std::time::Duration;

use copydesk::proto::GetArticleRequest;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use tonic::transport::Channel;

use crate::Result;
use crate::process::Process;
use crate::support::database::Cluster;
use crate::support::redis_server::RedisServer;

/// The servers behind the service.
pub struct Backends {
    pub cluster: Cluster,
    pub redis: RedisServer,
}

impl Backends {
    /// Returns the settings of a replica that uses these servers.
    pub fn settings<'a>(database: &'a str, cache: &'a str, cache_bytes: &'a str) -> [(&'static str, &'a str); 6] {
        [
            ("store", database),
            ("cache", cache),
            ("cache-bytes", cache_bytes),
            // The consistency check's sample would fill the caches before the first read here.
            ("consistency-check-interval", "off"),
            ("max-concurrent-requests", "20000"),
            ("max-connection-streams", "1000"),
        ]
    }
}

/// Reads articles until all of them come from Redis.
pub async fn warm_up(server: &Process, names: &[String]) -> Result<()> {
    let mut client = RetrievalServiceClient::new(server.channel().await?);
    for name in names {
        while layer(&mut client, name).await? != "redis" {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(())
}

/// Returns the layer that answered a read of an article.
async fn layer(client: &mut RetrievalServiceClient<Channel>, name: &str) -> Result<String> {
    let request = GetArticleRequest { name: name.to_owned(), ..Default::default() };
    let response = client.get_article(request).await?;
    let layer = response.metadata().get("copydesk-cache").ok_or("the response does not name the layer")?;
    Ok(layer.to_str()?.to_owned())
}

/// Returns the number of reads that a replica has answered from a layer.
pub async fn answered(server: &Process, layer: &str) -> Result<f64> {
    server.metric(&format!("copydesk_cache_answers_total{{layer=\"{layer}\"}}")).await
}
