//! A typical hand-rolled service: tonic with a cache aside. GET from Redis and decode; on a miss, SELECT from
//! PostgreSQL by primary key, SET with a TTL, answer. It has one multiplexed connection, a connection pool and a
//! prepared statement, to be a fair comparison. It lacks the rest: a correction is not visible until the TTL ends, a
//! slow SET may overwrite a new article with an old one, and reads fail while Redis is down.

use std::pin::Pin;
use std::sync::Arc;

use copydesk::proto::{Article, GetArticleRequest, GetArticleResponse};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use prost::Message;
use redis::aio::MultiplexedConnection;
use tokio_postgres::NoTls;
use tonic::server::UnaryService;
use tonic::{Request, Response, Status};

use crate::{Result, one_method};

/// TTL of an entry, in seconds.
const LIFETIME_S: u64 = 3_600;
/// Size of the connection pool, the same as the service's for reads.
const CONNECTIONS: usize = 16;

/// The service's table.
pub const TABLE: &str = "CREATE TABLE aside (name text PRIMARY KEY, article bytea NOT NULL)";

/// Serves the articles of the table.
pub async fn serve(redis: &str, postgres: &str) -> Result<()> {
    let redis = redis::Client::open(redis)?.get_multiplexed_async_connection().await?;
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(postgres.parse()?, NoTls, manager);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).build()?;
    one_method::serve(CacheAside(Arc::new(Shared { redis, pool }))).await
}

#[derive(Clone)]
struct CacheAside(Arc<Shared>);

struct Shared {
    redis: MultiplexedConnection,
    pool: Pool,
}

impl UnaryService<GetArticleRequest> for CacheAside {
    type Response = GetArticleResponse;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Response<GetArticleResponse>, Status>> + Send>>;

    fn call(&mut self, request: Request<GetArticleRequest>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let found = shared.get(&request.get_ref().name).await;
            let found = found.map_err(|error| Status::unavailable(error.to_string()))?;
            let article = found.ok_or_else(|| Status::not_found("there is no such article"))?;
            Ok(Response::new(GetArticleResponse { article: Some(article), not_modified: false }))
        })
    }
}

impl Shared {
    async fn get(&self, name: &str) -> Result<Option<Article>> {
        let mut redis = self.redis.clone();
        let key = format!("aside:{name}");
        let cached: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(&mut redis).await?;
        if let Some(bytes) = cached {
            return Ok(Some(Article::decode(&bytes[..])?));
        }
        let client = self.pool.get().await?;
        let statement = client.prepare_cached("SELECT article FROM aside WHERE name = $1").await?;
        let Some(row) = client.query_opt(&statement, &[&name]).await? else { return Ok(None) };
        drop(client);
        let bytes: &[u8] = row.get(0);
        redis::cmd("SET").arg(&key).arg(bytes).arg("EX").arg(LIFETIME_S).query_async::<()>(&mut redis).await?;
        Ok(Some(Article::decode(bytes)?))
    }
}
