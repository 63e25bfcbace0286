//! List of all settings, and their conversion to the server's options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{access_options, audit_log};
use super::parse::{address, at_least, bytes, count, duration, pairs, ratio, size, switch};
use super::{ConfigError, Settings};
use crate::article;
use crate::cache::{ConsistencyCheckOptions, LocalCacheOptions, RedisOptions};
use crate::extract;
use crate::ingest::IngestOptions;
use crate::retrieve::RetrieveLimits;
use crate::server::{CallOptions, ConnectionOptions, ServerOptions, StoreOptions, TlsOptions, WebOptions};
use crate::store::postgres::{PostgresOptions, StandbyOptions};
use crate::store::sqlite::SqliteOptions;
use crate::telemetry::trace::TraceOptions;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name of the flag, and of the key in the file.
    pub name: &'static str,
    /// Default value as text; empty for none.
    pub default: &'static str,
    /// One-line description.
    pub help: &'static str,
    /// Hidden in `-h`, shown in `--help`.
    pub rare: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help, rare: false }
}

const fn rare(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help, rare: true }
}

/// All settings, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    setting("listen", "127.0.0.1:50051", "address for gRPC; port 0 picks a free one"),
    setting("http-listen", "127.0.0.1:9464", "address for `/metrics`, `/livez` and `/readyz`; `off` disables them"),
    setting(
        "auth",
        "off",
        "authentication: callers must present an API key (`copydesk keys`), or a JWT if `jwt-…` are set",
    ),
    setting("insecure", "off", "permission to serve on a non-loopback address with neither authentication nor TLS"),
    rare("jwt-issuer", "", "required `iss` claim of JWTs"),
    rare("jwt-audience", "", "required value in the `aud` claim of JWTs"),
    rare("jwt-jwks", "", "JSON Web Key Set (JWKS) with the issuer's public keys: a file or an `https://` URL"),
    rare(
        "jwt-jwks-ca",
        "",
        "PEM file with the CA certificates that sign the certificate of the `jwt-jwks` host; the system's CAs if empty",
    ),
    rare(
        "jwt-max-lifetime",
        "off",
        "maximum lifetime of a JWT, from `iat` (without it, from now) to `exp`: `1h`, `24h`; JWTs with a longer one \
         are rejected; `off` for no limit",
    ),
    rare(
        "rate-limit",
        "off",
        "rate limit on calls and documents of each caller without a rate of its own, per replica: `100/s`, `6000/m`; \
         `off` for no limit",
    ),
    rare(
        "audit-log",
        "auto",
        "destination of the audit log (who changed what): `log`, a file (JSON lines) or `off`; `auto` is `log` with \
         `auth`, otherwise `off`",
    ),
    setting(
        "tls-cert",
        "",
        "PEM file with the server certificate and its intermediate certificates; empty disables TLS. Reloaded on \
         change, like the two files below",
    ),
    setting("tls-key", "", "PEM file with the private key of `tls-cert`"),
    setting(
        "tls-client-ca",
        "",
        "PEM file with the CA certificates that sign client certificates; when set, clients must present one (mTLS)",
    ),
    setting("data-dir", "./copydesk-data", "directory of the embedded store"),
    setting(
        "store",
        "sqlite",
        "article store: `sqlite` is embedded, `postgres://user:password@host:port/database` can be shared by replicas",
    ),
    rare(
        "store-ca",
        "",
        "PEM file with the CA certificates that sign PostgreSQL's certificate; the system's CAs if empty. Requires \
         `sslmode=require` in `store` and in `store-read`",
    ),
    rare(
        "store-read",
        "",
        "comma-separated URLs of streaming standbys of the PostgreSQL in `store`; they serve the reads they are fresh \
         enough for",
    ),
    rare("store-max-bytes", "0", "maximum size of the embedded store; 0 for no limit"),
    rare("store-readers", "4", "maximum concurrent reads of the embedded store"),
    rare("store-connections", "16", "maximum concurrent reads of PostgreSQL"),
    rare(
        "store-read-queue",
        "256",
        "maximum reads waiting for the store, and as many pages of lists and searches; more are rejected with \
         RESOURCE_EXHAUSTED",
    ),
    rare("store-read-wait", "2s", "maximum time that a read waits for the store before it is rejected"),
    rare(
        "store-connect-timeout",
        "2s",
        "timeout for connecting to PostgreSQL, and time without an answer after which it counts as unavailable",
    ),
    rare("store-statement-timeout", "10s", "timeout of a PostgreSQL statement"),
    rare(
        "store-listen",
        "on",
        "connection that listens for other replicas' commits (LISTEN); `off` behind pgbouncer in transaction mode",
    ),
    rare(
        "feed-keep",
        "off",
        "retention of changes and past revisions in PostgreSQL, at least 48h; `off` keeps them forever",
    ),
    setting(
        "cache",
        "local",
        "article cache: `local` is in this process, `redis://user:password@host:port/db` adds one behind it that \
         replicas share (`rediss://` with TLS, `redis-cluster://user:password@host:port,host:port` for Redis Cluster, \
         `redis-sentinel://user:password@host:port,host:port/service` for Sentinel), `off` disables caching",
    ),
    rare("cache-ca", "", "PEM file with the CA certificates that sign Redis's certificate; the system's CAs if empty"),
    rare(
        "cache-ttl",
        "1h",
        "time to live (TTL) of an article in Redis, ±10 %. Reads near the end refresh it early; below 30s that is much \
         of the time",
    ),
    setting("cache-bytes", "64MiB", "maximum memory of the local cache"),
    setting("staleness-bound", "1s", "maximum staleness of a read; a request can ask for fresher data"),
    rare("negative-ttl", "5s", "time to live (TTL) of negative cache entries: the article does not exist"),
    rare(
        "consistency-check-interval",
        "10s",
        "interval of the check that compares cached articles with the store; `off` disables it",
    ),
    rare("consistency-check-sample", "100", "number of articles compared in each check"),
    rare("feed-poll", "100ms", "interval of polling the change feed when no notification wakes its followers"),
    rare("max-message-bytes", "16MiB", "maximum size of a request message, after decompression"),
    rare("max-document-bytes", "8MiB", "maximum size of a document to extract, after decompression"),
    rare("max-body-bytes", "1MiB", "maximum size of an article body"),
    rare("max-page-size", "1000", "maximum articles on one page of a list"),
    rare("max-batch-size", "1000", "maximum names in one BatchGetArticles"),
    rare(
        "max-concurrent-requests",
        "1024",
        "maximum concurrent unary calls; more are rejected with RESOURCE_EXHAUSTED",
    ),
    rare(
        "max-task-delay",
        "10ms",
        "maximum time that runnable tasks wait for a processor; above it, fewer unary calls are admitted; `off` for no \
         limit",
    ),
    rare(
        "max-concurrent-streams",
        "256",
        "maximum open watches and exports; more are rejected with RESOURCE_EXHAUSTED, as are those of a caller that \
         has as many open as are free (with `auth`)",
    ),
    rare("max-ingest-streams", "256", "maximum open streams of documents; the same rejections apply"),
    rare("max-connections", "4096", "maximum open connections; more are closed on arrival"),
    rare("max-connection-streams", "256", "maximum concurrent calls on one connection"),
    rare(
        "max-connection-age",
        "30m",
        "maximum age of a connection, ±10 %, before the client is asked to open another (GOAWAY); `off` for no limit",
    ),
    rare(
        "max-connection-age-grace",
        "5m",
        "maximum time for the calls of a connection past its maximum age before its streams end and it is closed",
    ),
    rare(
        "keepalive-interval",
        "30s",
        "interval of keepalive pings (HTTP/2 PING) on a silent connection; `off` disables them",
    ),
    rare("keepalive-timeout", "20s", "timeout of a keepalive ping, after which the connection is closed"),
    rare("handshake-timeout", "10s", "timeout for opening a connection, after which it is closed"),
    rare("default-deadline", "30s", "deadline of a unary call whose client sets none"),
    rare("max-deadline", "5m", "maximum deadline of a unary call"),
    rare(
        "drain-wait",
        "0s",
        "time after SIGTERM during which health reports NOT_SERVING and calls are still accepted; behind a load \
         balancer longer than it takes to notice: `5s`",
    ),
    rare("shutdown-grace", "10s", "maximum time for work in flight after SIGTERM and `drain-wait`"),
    rare("ingest-workers", "auto", "number of extraction threads; `auto` is one per core"),
    rare(
        "ingest-queue",
        "256",
        "maximum documents waiting for extraction or being extracted; of documents over 512 KiB, at most 16 per thread",
    ),
    rare(
        "ingest-call-bytes",
        "128MiB",
        "maximum memory for documents of unary calls, from arrival to response; more are rejected with \
         RESOURCE_EXHAUSTED",
    ),
    rare(
        "ingest-stream-bytes",
        "128MiB",
        "maximum memory for streamed documents that are not written yet; one stream gets a quarter of it",
    ),
    rare(
        "ingest-unread-timeout",
        "30s",
        "maximum time that a stream of documents leaves its responses unread before it is ended",
    ),
    rare("checkpoint-interval", "5s", "interval of checkpoints on a watch without changes"),
    rare("reflection", "on", "gRPC server reflection: clients can list services and message types"),
    rare("grpc-web", "on", "gRPC-Web on the same port, and HTTP/1.1 for it"),
    rare(
        "grpc-web-origins",
        "off",
        "comma-separated origins of the pages that can call by gRPC-Web (CORS), such as \
         `https://desk.example,https://app.example`; `*` for all, `off` for the server's own only",
    ),
    rare(
        "allowed-hosts",
        "auto",
        "comma-separated host names accepted in `:authority` and `Host`, without ports; `localhost` and IP addresses \
         are always accepted; `*` for any. `auto` accepts no others when `listen` is on loopback and callers are not \
         authenticated, otherwise any",
    ),
    setting("log-format", "human", "format of the log: `human` or `json`"),
    setting(
        "log-level",
        "info",
        "minimum log level (error, warn, info, debug, trace), or a filter such as `info,copydesk::store=debug`",
    ),
    rare("slow-call", "500ms", "duration above which a unary call is logged"),
    setting(
        "otlp-endpoint",
        "off",
        "URL of the collector of call traces (OTLP over gRPC): `http://host:4317`, or `https://`; `off` disables \
         tracing",
    ),
    rare(
        "otlp-headers",
        "",
        "comma-separated headers for the collector, `name=value,name=value`; keep secrets in the environment, not in a \
         flag",
    ),
    rare(
        "trace-sample",
        "0.01",
        "share of calls that are traced, from 0 to 1, when the caller has not decided it (`traceparent`)",
    ),
];

/// Converts the settings to the server's options.
pub(super) fn server_options(settings: &Settings) -> Result<ServerOptions, ConfigError> {
    let feed_poll = settings.get("feed-poll", |text| at_least(duration(text)?, Duration::from_millis(1)))?;
    let bound = settings.get("staleness-bound", duration)?;
    let cache = LocalCacheOptions {
        bytes: settings.get("cache-bytes", bytes)?,
        staleness_bound: bound,
        negative_ttl: settings.get("negative-ttl", duration)?,
        poll: feed_poll,
    };
    let cache_ca = Some(settings.text("cache-ca")).filter(|path| !path.is_empty()).map(Path::new);
    let cache_ttl = settings.get("cache-ttl", |text| at_least(duration(text)?, Duration::from_secs(1)))?;
    let (cache, redis) = settings.get("cache", |text| match text {
        "local" | "off" if cache_ca.is_some() => Err("must be a `rediss://` URL when `cache-ca` is set".into()),
        "local" => Ok((Some(cache.clone()), None)),
        "off" => Ok((None, None)),
        url => {
            let mut redis = RedisOptions::trusting(url, cache_ca)?;
            redis.staleness_bound = cache.staleness_bound;
            redis.lifetime = cache_ttl;
            redis.negative_ttl = cache.negative_ttl;
            redis.poll = feed_poll;
            Ok((Some(cache.clone()), Some(redis)))
        }
    })?;
    let access = access_options(settings, bound)?;
    let has_cache = cache.is_some();
    let sample = settings.get("consistency-check-sample", count)?;
    let consistency_check = settings.get("consistency-check-interval", |text| match text {
        "off" => Ok(None),
        text => Ok(Some(ConsistencyCheckOptions { interval: duration(text)?, sample, staleness_bound: bound })),
    })?;
    let extract =
        extract::Limits { max_bytes: settings.get("max-document-bytes", size)?, ..extract::Limits::default() };
    let body_bytes = settings.get("max-body-bytes", size)?;
    Ok(ServerOptions {
        listen: settings.get("listen", address)?,
        http_listen: settings.get("http-listen", |text| match text {
            "off" => Ok(None),
            text => address(text).map(Some).map_err(|expected| format!("{expected}, or off")),
        })?,
        audit_log: audit_log(settings, access.is_some())?,
        access,
        insecure: settings.get("insecure", switch)?,
        trace: trace(settings)?,
        tls: tls(settings)?,
        store: store_options(settings)?,
        cache,
        redis,
        // Without a cache there is nothing to check.
        consistency_check: consistency_check.filter(|_| has_cache),
        calls: CallOptions {
            max_concurrent_requests: settings.get("max-concurrent-requests", count)?,
            max_task_delay: settings.get("max-task-delay", |text| match text {
                "off" => Ok(None),
                text => at_least(duration(text)?, Duration::from_millis(1)).map(Some),
            })?,
            max_concurrent_streams: settings.get("max-concurrent-streams", count)?,
            max_ingest_streams: settings.get("max-ingest-streams", count)?,
            default_deadline: settings.get("default-deadline", duration)?,
            max_deadline: settings.get("max-deadline", duration)?,
            slow: settings.get("slow-call", duration)?,
        },
        retrieve: RetrieveLimits {
            max_page_size: settings.get("max-page-size", count)?,
            max_batch_size: settings.get("max-batch-size", count)?,
            checkpoint_interval: settings
                .get("checkpoint-interval", |text| at_least(duration(text)?, Duration::from_millis(100)))?,
            poll: feed_poll,
        },
        ingest: IngestOptions {
            stream_bytes: settings.get("ingest-stream-bytes", size)?,
            unread: settings.get("ingest-unread-timeout", duration)?,
            article: article::Limits { body_bytes, ..article::Limits::default() },
            extract,
        },
        ingest_workers: settings.get("ingest-workers", |text| match text {
            "auto" => Ok(std::thread::available_parallelism().map_or(2, usize::from)),
            text => count(text).map_err(|expected| format!("{expected}, or auto")),
        })?,
        ingest_queue: settings.get("ingest-queue", count)?,
        ingest_call_bytes: settings.get("ingest-call-bytes", size)?,
        max_message_bytes: settings.get("max-message-bytes", size)?,
        connections: connections(settings)?,
        drain_wait: settings.get("drain-wait", duration)?,
        shutdown_grace: settings.get("shutdown-grace", duration)?,
        reflection: settings.get("reflection", switch)?,
        web: WebOptions {
            serve: settings.get("grpc-web", switch)?,
            origins: settings.get("grpc-web-origins", str::parse)?,
        },
        hosts: settings.get("allowed-hosts", str::parse)?,
    })
}

fn trace(settings: &Settings) -> Result<Option<TraceOptions>, ConfigError> {
    let sample = settings.get("trace-sample", ratio)?;
    let headers = settings.get("otlp-headers", pairs)?;
    settings.get("otlp-endpoint", |text| match text {
        "off" if !headers.is_empty() => Err("must be a collector's URL when `otlp-headers` is set".into()),
        "off" => Ok(None),
        text => {
            let options = TraceOptions { endpoint: text.to_owned(), headers: headers.clone(), sample };
            options.check().map(|()| Some(options)).map_err(|error| format!("{error}, or off"))
        }
    })
}

/// Reads and checks the files, so that an invalid one is reported before anything starts.
fn tls(settings: &Settings) -> Result<Option<TlsOptions>, ConfigError> {
    let file = |name: &str| Some(settings.text(name)).filter(|path| !path.is_empty()).map(PathBuf::from);
    let fail =
        |name: &'static str, expected: String| settings.get::<Option<TlsOptions>>(name, |_| Err(expected.clone()));
    let options = match (file("tls-cert"), file("tls-key"), file("tls-client-ca")) {
        (Some(cert), Some(key), client_ca) => TlsOptions { cert, key, client_ca },
        (Some(_), None, _) => return fail("tls-key", "must be the PEM file with the private key of `tls-cert`".into()),
        (None, Some(_), _) => return fail("tls-key", "requires `tls-cert`".into()),
        (None, None, Some(_)) => return fail("tls-client-ca", "requires `tls-cert` and `tls-key`".into()),
        (None, None, None) => return Ok(None),
    };
    match options.check() {
        Ok(()) => Ok(Some(options)),
        Err(error) => fail(error.setting, error.problem),
    }
}

fn connections(settings: &Settings) -> Result<ConnectionOptions, ConfigError> {
    let min = Duration::from_secs(1);
    let or_off = |text: &str| match text {
        "off" => Ok(None),
        text => at_least(duration(text)?, min).map(Some).map_err(|expected| format!("{expected}, or off")),
    };
    Ok(ConnectionOptions {
        max: settings.get("max-connections", |text| match count(text)? {
            // Maximum number of permits of the semaphore that counts them.
            max if max <= usize::MAX >> 3 => Ok(max),
            _ => Err(format!("must be at most {}", usize::MAX >> 3)),
        })?,
        streams: settings.get("max-connection-streams", |text| {
            u32::try_from(count(text)?).map_err(|_| format!("must be at most {}", u32::MAX))
        })?,
        handshake: settings.get("handshake-timeout", duration)?,
        keepalive: settings.get("keepalive-interval", or_off)?,
        keepalive_timeout: settings.get("keepalive-timeout", |text| at_least(duration(text)?, min))?,
        age: settings.get("max-connection-age", or_off)?,
        age_grace: settings.get("max-connection-age-grace", duration)?,
    })
}

fn store_options(settings: &Settings) -> Result<StoreOptions, ConfigError> {
    let max_bytes = settings.get("store-max-bytes", bytes)?;
    let sqlite = SqliteOptions {
        dir: settings.text("data-dir").into(),
        max_bytes: (max_bytes > 0).then_some(max_bytes),
        readers: settings.get("store-readers", count)?,
        read_queue: settings.get("store-read-queue", count)?,
        read_wait: settings.get("store-read-wait", duration)?,
    };
    let min = Duration::from_millis(10);
    let connections = settings.get("store-connections", count)?;
    let connect_timeout = settings.get("store-connect-timeout", |text| at_least(duration(text)?, min))?;
    let statement_timeout = settings.get("store-statement-timeout", |text| at_least(duration(text)?, min))?;
    let limit = |options: &mut PostgresOptions| {
        options.connections = connections;
        options.connect_timeout = connect_timeout;
        options.statement_timeout = statement_timeout;
    };
    let listen = settings.get("store-listen", switch)?;
    let keep = settings.get("feed-keep", |text| match text {
        "off" => Ok(None),
        _ if settings.text("store") == "sqlite" => {
            Err("must be off with the embedded store, which keeps all changes".into())
        }
        text => at_least(duration(text)?, Duration::from_secs(48 * 3_600))
            .map(Some)
            .map_err(|expected| format!("{expected}, or off")),
    })?;
    let ca = Some(settings.text("store-ca")).filter(|path| !path.is_empty()).map(Path::new);
    let standbys = settings.get("store-read", |text| match text {
        "" => Ok(Vec::new()),
        _ if settings.text("store") == "sqlite" => {
            Err("must be empty with the embedded store, which has no standbys".into())
        }
        urls => urls.split(',').map(|url| postgres(url.trim(), |url| PostgresOptions::standby(url, ca))).collect(),
    })?;
    let staleness_bound = settings.get("staleness-bound", duration)?;
    let poll = settings.get("feed-poll", duration)?;
    settings.get("store", |text| {
        if text == "sqlite" {
            if ca.is_some() {
                return Err("must be a postgres:// URL when `store-ca` is set".into());
            }
            return Ok(StoreOptions::Sqlite(sqlite.clone()));
        }
        let mut options = postgres(text, |text| PostgresOptions::trusting(text, ca))
            .map_err(|expected| expected.replacen("must be postgres", "must be sqlite, or postgres", 1))?;
        (options.read_queue, options.read_wait) = (sqlite.read_queue, sqlite.read_wait);
        options.listen = listen;
        options.keep = keep;
        if !standbys.is_empty() {
            options.standbys = Some(StandbyOptions { servers: standbys.clone(), staleness_bound, poll });
        }
        let standbys = options.standbys.iter_mut().flat_map(|standbys| &mut standbys.servers);
        for options in standbys {
            limit(options);
        }
        limit(&mut options);
        Ok(StoreOptions::Postgres(Box::new(options)))
    })
}

fn postgres<T>(url: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        read(url)
    } else {
        Err("must be postgres://user:password@host:port/database".into())
    }
}
