//! Conversion of the settings to the server's options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::{access_options, audit_log};
use super::parse::{address, at_least, bytes, count, duration, pairs, ratio, size, switch};
use super::{ConfigError, Settings};
use crate::article;
use crate::cache::{ConsistencyCheckOptions, LocalCacheOptions, RedisOptions};
use crate::extract;
use crate::ingest::{IngestOptions, Kills};
use crate::retrieve::RetrieveLimits;
use crate::search::{MIN_MEMORY, SearchOptions, SnapshotOptions};
use crate::server::{
    CallOptions, Compression, ConnectionOptions, READ_COUNT_INTERVAL, ServerOptions, SourceLimits, StoreOptions,
    TlsOptions, WebOptions,
};
use crate::store::LateCopies;
use crate::store::postgres::{PostgresOptions, StandbyOptions};
use crate::store::sqlite::SqliteOptions;
use crate::telemetry::trace::TraceOptions;

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
    let sources = SourceLimits {
        keep: settings.get("source-keep", |text| if text == "0" { Ok(Duration::ZERO) } else { duration(text) })?,
        max_bytes: match settings.get("store-max-bytes", bytes)? {
            0 => settings.get("source-max-bytes", bytes)?,
            // Kept documents must not fill the store.
            store => settings.get("source-max-bytes", bytes)?.min(store / 2),
        },
    };
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
        search: search(settings)?,
        search_readiness: settings.get("search-readiness", switch)?,
        stories: settings.get("stories", switch)?,
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
            progress_articles: 1_000,
            staleness_bound: bound,
            poll: feed_poll,
            deleted_keep: settings.get("deleted-keep", |text| match text {
                "off" => Ok(None),
                text => at_least(duration(text)?, Duration::from_secs(3_600))
                    .map(Some)
                    .map_err(|expected| format!("{expected}, or off")),
            })?,
        },
        ingest: IngestOptions {
            stream_bytes: settings.get("ingest-stream-bytes", size)?,
            unread: settings.get("ingest-unread-timeout", duration)?,
            kills: settings.get("ingest-kill", |text| match text {
                "own-source" => Ok(Kills::OwnSource),
                "admin-only" => Ok(Kills::AdminOnly),
                _ => Err("must be own-source or admin-only".into()),
            })?,
            late_copies: settings.get("ingest-late-copies", |text| match text {
                "reject" => Ok(LateCopies::Reject),
                "hold" => Ok(LateCopies::Hold),
                _ => Err("must be reject or hold".into()),
            })?,
            keep_originals: !sources.keep.is_zero(),
            article: article::Limits { body_bytes, ..article::Limits::default() },
            extract,
        },
        sources,
        read_count_interval: READ_COUNT_INTERVAL,
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
        compression: Compression {
            enabled: settings.get("compression", switch)?,
            min_bytes: settings.get("compression-min-bytes", size)?,
        },
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

fn search(settings: &Settings) -> Result<SearchOptions, ConfigError> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(SearchOptions {
        dir: match settings.text("search-dir") {
            "" => Path::new(settings.text("data-dir")).join("search"),
            dir => dir.into(),
        },
        commit_interval: settings.get("search-commit-interval", |text| {
            let range = Duration::from_millis(10)..=Duration::from_secs(60);
            let interval = duration(text)?;
            range.contains(&interval).then_some(interval).ok_or_else(|| "must be from 10ms to 1m".to_owned())
        })?,
        memory: settings.get("search-memory", |text| {
            let memory = size(text)?;
            (MIN_MEMORY..=4 << 30)
                .contains(&memory)
                .then_some(memory)
                .ok_or_else(|| "must be from 16MiB to 4GiB".to_owned())
        })?,
        snapshots: match settings.text("search-snapshot") {
            "" => None,
            folder => Some(SnapshotOptions {
                folder: folder.into(),
                interval: settings
                    .get("search-snapshot-interval", |text| at_least(duration(text)?, Duration::from_secs(1)))?,
            }),
        },
        concurrency: processors.max(2),
        queue: settings.get("store-read-queue", count)?,
        queue_wait: settings.get("store-read-wait", duration)?,
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
