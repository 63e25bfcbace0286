//! The one list of settings, and what they mean to the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{access_options, audit_log};
use super::parse::{address, at_least, bytes, count, duration, pairs, share, size, switch};
use super::{ConfigError, Settings};
use crate::article;
use crate::cache::{AuditOptions, LocalCacheOptions, RedisOptions};
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
    /// Of the flag, and of the key in the file.
    pub name: &'static str,
    /// As one would write it.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
    /// Whether `--help` tells it and `-h` does not.
    pub rare: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help, rare: false }
}

const fn rare(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help, rare: true }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting("listen", "127.0.0.1:50051", "where gRPC calls come in; port 0 is any free one"),
    setting("http-listen", "127.0.0.1:9464", "where `/metrics`, `/livez` and `/readyz` are served; `off` for nowhere"),
    setting(
        "auth",
        "off",
        "whether callers need a credential: an API key (`copydesk keys`), or a token if `jwt-…` are set",
    ),
    setting(
        "insecure",
        "off",
        "whether `listen` may be an address that others can reach, with neither authentication nor encryption",
    ),
    rare("jwt-issuer", "", "whose tokens are taken: what their `iss` must be"),
    rare("jwt-audience", "", "for whom tokens must be: what must be in their `aud`"),
    rare("jwt-jwks", "", "where the issuer's public keys are (JWKS): a file, or an https:// address"),
    rare(
        "jwt-jwks-ca",
        "",
        "a file of certificates in PEM, of who vouches for the host in `jwt-jwks`; none for the system's",
    ),
    rare(
        "jwt-max-lifetime",
        "off",
        "maximum lifetime of a token, from `iat` (without it, from now) to `exp`: `1h`, `24h`; longer ones are refused; `off` for no limit",
    ),
    rare(
        "rate-limit",
        "off",
        "calls and documents of each caller that has no rate of its own, on each replica: `100/s`, `6000/m`; `off` for no limit",
    ),
    rare(
        "audit-log",
        "auto",
        "where it is written who changed what: `log`, a file (JSON lines), `off`; `auto` is `log` with `auth`, and else `off`",
    ),
    setting(
        "tls-cert",
        "",
        "a file with the certificate to show to callers, in PEM, and those that vouch for it; none for no TLS. Read anew when it changes, as are the two below",
    ),
    setting("tls-key", "", "the file with its private key, in PEM"),
    setting(
        "tls-client-ca",
        "",
        "a file of certificates in PEM, of who vouches for callers: they must show a certificate then; none to ask for none",
    ),
    setting("data-dir", "./copydesk-data", "the folder of the embedded store"),
    setting(
        "store",
        "sqlite",
        "which store: `sqlite` is the embedded one, `postgres://user:password@host:port/database` one for several replicas",
    ),
    rare(
        "store-ca",
        "",
        "a file of certificates in PEM, of who vouches for PostgreSQL; none for the system's. With `sslmode=require` in `store`, and in `store-read`",
    ),
    rare(
        "store-read",
        "",
        "streaming standbys of the PostgreSQL in `store`, as URLs parted by commas: they answer what they are fresh enough for",
    ),
    rare("store-max-bytes", "0", "the most that the embedded store may grow to; 0 for no bound"),
    rare("store-readers", "4", "how many reads of the embedded store run at a time"),
    rare("store-connections", "16", "how many reads of PostgreSQL run at a time"),
    rare(
        "store-read-queue",
        "256",
        "how many reads, and as many pages of lists and searches, wait for their turn at the store; more are refused with RESOURCE_EXHAUSTED",
    ),
    rare("store-read-wait", "2s", "how long a read waits for its turn at the store before it is refused after all"),
    rare(
        "store-connect-timeout",
        "2s",
        "how long connecting to PostgreSQL may take, and how long it may not answer before it counts as away",
    ),
    rare("store-statement-timeout", "10s", "how long one statement of PostgreSQL may take"),
    rare(
        "store-listen",
        "on",
        "whether a connection listens for other replicas' commits; `off` behind pgbouncer in transaction mode",
    ),
    rare("feed-keep", "off", "how long PostgreSQL keeps changes and past revisions, from 48h up; `off` for ever"),
    setting(
        "cache",
        "local",
        "`local` for a cache in this process, `redis://user:password@host:port/db` for one behind it that replicas share (`rediss://` with TLS, `redis-cluster://user:password@host:port,host:port` for a Cluster, `redis-sentinel://user:password@host:port,host:port/service` by Sentinel), `off` for none",
    ),
    rare(
        "cache-ca",
        "",
        "a file of certificate authorities in PEM, one of which vouches for Redis; the system's if empty",
    ),
    rare(
        "cache-ttl",
        "1h",
        "how long an article stays in Redis, give or take a tenth; one that is read near its end is fetched anew before: of less than half a minute, much of the time",
    ),
    setting("cache-bytes", "64MiB", "how much memory the local cache may take"),
    setting("staleness-bound", "1s", "no read is older than this, unless it asks for fresher"),
    rare("negative-ttl", "5s", "how long it is remembered that an article does not exist"),
    rare("audit-every", "10s", "how often what the caches answer is compared with the store; `off` for never"),
    rare("audit-sample", "100", "how many articles are compared each time"),
    rare("feed-poll", "100ms", "how often the change feed is asked when nothing wakes its followers"),
    rare("max-message-bytes", "16MiB", "the largest request message, after decompression"),
    rare("max-document-bytes", "8MiB", "the largest document to extract, after decompression"),
    rare("max-body-bytes", "1MiB", "the largest body of an article"),
    rare("max-page-size", "1000", "articles on one page of a list"),
    rare("max-batch-size", "1000", "names in one BatchGetArticles"),
    rare("max-concurrent-requests", "1024", "unary calls under way at once; more are refused with RESOURCE_EXHAUSTED"),
    rare(
        "max-task-delay",
        "10ms",
        "fewer unary calls are let in while what is ready to run waits longer than this for a processor; `off` for never",
    ),
    rare(
        "max-concurrent-streams",
        "256",
        "watches and exports open at once; more are refused with RESOURCE_EXHAUSTED, as are those of a caller that has as many open as are free (with `auth`)",
    ),
    rare("max-ingest-streams", "256", "streams of documents open at once; the same holds for them"),
    rare("max-connections", "4096", "connections open at once; more are closed as they come"),
    rare("max-connection-streams", "256", "calls under way at once on one connection"),
    rare(
        "max-connection-age",
        "30m",
        "how old a connection becomes, give or take a tenth, before callers are asked to open another; `off` for no bound",
    ),
    rare(
        "max-connection-age-grace",
        "5m",
        "how long the calls of a connection that is too old may take before its streams end and it is closed",
    ),
    rare(
        "keepalive-interval",
        "30s",
        "how often a connection that is silent is asked whether somebody is there (HTTP/2 PING); `off` for never",
    ),
    rare("keepalive-timeout", "20s", "how long the answer to that may take before the connection is closed"),
    rare("handshake-timeout", "10s", "how long a connection may take to open before it is closed"),
    rare("default-deadline", "30s", "how long a unary call may take whose caller does not say"),
    rare("max-deadline", "5m", "how long any unary call may work"),
    rare(
        "drain-wait",
        "0s",
        "how long, after SIGTERM, health says NOT_SERVING while calls are still taken; behind a balancer longer than it takes to notice: `5s`",
    ),
    rare("shutdown-grace", "10s", "how long work in flight may take after SIGTERM and `drain-wait`"),
    rare("ingest-workers", "auto", "threads that extract; `auto` is one a core"),
    rare(
        "ingest-queue",
        "256",
        "documents waiting for extraction or being extracted; of documents over 512 KiB, at most 16 for each thread",
    ),
    rare(
        "ingest-call-bytes",
        "128MiB",
        "memory for documents of unary calls, from their arrival to their answer; more are refused with RESOURCE_EXHAUSTED",
    ),
    rare(
        "ingest-stream-bytes",
        "128MiB",
        "how much memory streamed documents may take that are not written yet; one stream a quarter of it",
    ),
    rare(
        "ingest-unread-timeout",
        "30s",
        "how long a stream of documents may leave its answers unread before it is ended",
    ),
    rare("checkpoint-interval", "5s", "how often a watch without news sends a checkpoint"),
    rare("reflection", "on", "whether clients may ask what is served"),
    rare("grpc-web", "on", "whether the same port speaks gRPC-Web, and HTTP/1.1 for it"),
    rare(
        "grpc-web-origins",
        "off",
        "whose pages may call by gRPC-Web (CORS): origins such as `https://desk.example,https://app.example`, `*` for all, `off` for none but our own",
    ),
    rare(
        "allowed-hosts",
        "auto",
        "host names by which the server may be called (`:authority`, `Host`), comma-separated, without ports; `localhost` and IP addresses always may; `*` for any. `auto` is none but these when `listen` is on loopback and callers are not authenticated, else any",
    ),
    setting("log-format", "human", "`human` or `json`"),
    setting("log-level", "info", "error, warn, info, debug, trace, or a filter such as `info,copydesk::store=debug`"),
    rare("slow-call", "500ms", "unary calls that take longer are logged"),
    setting(
        "otlp-endpoint",
        "off",
        "the collector that traces of calls are sent to (OTLP by gRPC): `http://host:4317`, or `https://`; `off` for none",
    ),
    rare(
        "otlp-headers",
        "",
        "what is sent along to the collector, as `name=value,name=value`; better in the environment than in a flag, where it is secret",
    ),
    rare(
        "trace-sample",
        "0.01",
        "the share of calls that are traced, from 0 to 1, of those whose caller has not decided it (`traceparent`)",
    ),
];

/// Reads every setting that the server has.
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
        "local" | "off" if cache_ca.is_some() => Err("has no use for cache-ca: TLS is spoken to rediss://".into()),
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
    let audited = cache.is_some();
    let sample = settings.get("audit-sample", count)?;
    let audit = settings.get("audit-every", |text| match text {
        "off" => Ok(None),
        text => Ok(Some(AuditOptions { every: duration(text)?, sample, staleness_bound: bound })),
    })?;
    let extract =
        extract::Limits { max_bytes: settings.get("max-document-bytes", size)?, ..extract::Limits::default() };
    let body_bytes = settings.get("max-body-bytes", size)?;
    Ok(ServerOptions {
        listen: settings.get("listen", address)?,
        http_listen: settings.get("http-listen", |text| match text {
            "off" => Ok(None),
            text => address(text).map(Some).map_err(|right| format!("{right}, or off")),
        })?,
        audit_log: audit_log(settings, access.is_some())?,
        access,
        insecure: settings.get("insecure", switch)?,
        trace: trace(settings)?,
        tls: tls(settings)?,
        store: store_options(settings)?,
        cache,
        redis,
        // Where there is nothing to audit, there is no auditor.
        audit: audit.filter(|_| audited),
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
            text => count(text).map_err(|right| format!("{right}, or auto")),
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
            hosts: settings.get("allowed-hosts", str::parse)?,
        },
    })
}

fn trace(settings: &Settings) -> Result<Option<TraceOptions>, ConfigError> {
    let sample = settings.get("trace-sample", share)?;
    let headers = settings.get("otlp-headers", pairs)?;
    settings.get("otlp-endpoint", |text| match text {
        "off" if !headers.is_empty() => Err("must be a collector's address: otlp-headers has no use otherwise".into()),
        "off" => Ok(None),
        text => {
            let options = TraceOptions { endpoint: text.to_owned(), headers: headers.clone(), sample };
            options.check().map(|()| Some(options)).map_err(|error| format!("{error}, or off"))
        }
    })
}

/// The files are tried: what is wrong with them is told before anything starts.
fn tls(settings: &Settings) -> Result<Option<TlsOptions>, ConfigError> {
    let file = |name: &str| Some(settings.text(name)).filter(|path| !path.is_empty()).map(PathBuf::from);
    let fail = |name: &'static str, right: String| settings.get::<Option<TlsOptions>>(name, |_| Err(right.clone()));
    let options = match (file("tls-cert"), file("tls-key"), file("tls-client-ca")) {
        (Some(cert), Some(key), client_ca) => TlsOptions { cert, key, client_ca },
        (Some(_), None, _) => return fail("tls-key", "must be the file of the private key of tls-cert".into()),
        (None, Some(_), _) => return fail("tls-key", "has no use without tls-cert".into()),
        (None, None, Some(_)) => return fail("tls-client-ca", "has no use without tls-cert and tls-key".into()),
        (None, None, None) => return Ok(None),
    };
    match options.check() {
        Ok(()) => Ok(Some(options)),
        Err(wrong) => fail(wrong.setting, wrong.right),
    }
}

fn connections(settings: &Settings) -> Result<ConnectionOptions, ConfigError> {
    let long = Duration::from_secs(1);
    let or_off = |text: &str| match text {
        "off" => Ok(None),
        text => at_least(duration(text)?, long).map(Some).map_err(|right| format!("{right}, or off")),
    };
    Ok(ConnectionOptions {
        most: settings.get("max-connections", |text| match count(text)? {
            // What the semaphore that counts them can hold.
            most if most <= usize::MAX >> 3 => Ok(most),
            _ => Err("is too large".into()),
        })?,
        streams: settings
            .get("max-connection-streams", |text| u32::try_from(count(text)?).map_err(|_| "is too large".to_owned()))?,
        handshake: settings.get("handshake-timeout", duration)?,
        keepalive: settings.get("keepalive-interval", or_off)?,
        keepalive_timeout: settings.get("keepalive-timeout", |text| at_least(duration(text)?, long))?,
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
    let short = Duration::from_millis(10);
    let connections = settings.get("store-connections", count)?;
    let connect_timeout = settings.get("store-connect-timeout", |text| at_least(duration(text)?, short))?;
    let statement_timeout = settings.get("store-statement-timeout", |text| at_least(duration(text)?, short))?;
    let limit = |options: &mut PostgresOptions| {
        options.connections = connections;
        options.connect_timeout = connect_timeout;
        options.statement_timeout = statement_timeout;
    };
    let listen = settings.get("store-listen", switch)?;
    let keep = settings.get("feed-keep", |text| match text {
        "off" => Ok(None),
        _ if settings.text("store") == "sqlite" => {
            Err("must be off with the embedded store, which keeps everything".into())
        }
        text => at_least(duration(text)?, Duration::from_secs(48 * 3_600))
            .map(Some)
            .map_err(|right| format!("{right}, or off")),
    })?;
    let ca = Some(settings.text("store-ca")).filter(|path| !path.is_empty()).map(Path::new);
    let standbys = settings.get("store-read", |text| match text {
        "" => Ok(Vec::new()),
        _ if settings.text("store") == "sqlite" => Err("must be empty with the embedded store, which has none".into()),
        urls => urls.split(',').map(|url| postgres(url.trim(), |url| PostgresOptions::standby(url, ca))).collect(),
    })?;
    let staleness_bound = settings.get("staleness-bound", duration)?;
    let poll = settings.get("feed-poll", duration)?;
    settings.get("store", |text| {
        if text == "sqlite" {
            if ca.is_some() {
                return Err("must be postgres:// with store-ca, which has no use otherwise".into());
            }
            return Ok(StoreOptions::Sqlite(sqlite.clone()));
        }
        let mut options = postgres(text, |text| PostgresOptions::trusting(text, ca))
            .map_err(|right| right.replacen("must be postgres", "must be sqlite, or postgres", 1))?;
        (options.read_queue, options.read_wait) = (sqlite.read_queue, sqlite.read_wait);
        options.listen = listen;
        options.keep = keep;
        if !standbys.is_empty() {
            options.standbys = Some(StandbyOptions { at: standbys.clone(), staleness_bound, poll });
        }
        let standbys = options.standbys.iter_mut().flat_map(|standbys| &mut standbys.at);
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
