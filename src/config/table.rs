//! List of all settings.

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
    setting("data-dir", "./copydesk-data", "directory of the embedded store, and of the search index"),
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
        "maximum reads waiting for the store, as many pages of lists, and as many searches; more are rejected with \
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
    rare(
        "search-dir",
        "",
        "directory of this server's search index; `search` in `data-dir` if empty. May be deleted: the index is built \
         again",
    ),
    rare("search-commit-interval", "100ms", "minimum time between commits of the search index, 10ms to 1m"),
    rare(
        "search-snapshot",
        "",
        "folder that replicas share, for snapshots of the search index; a server without an index takes the newest one \
         instead of reading all articles; none if empty",
    ),
    rare("search-snapshot-interval", "10m", "interval at which one of the replicas publishes a snapshot, at least 1s"),
    rare("search-readiness", "off", "readiness only once the search index is built; `off` to serve other reads before"),
    rare("search-memory", "32MiB", "memory for changes of the search index before they are written, at least 16MiB"),
    setting("stories", "on", "groups recent articles into stories; `off` takes less processor time and memory"),
    setting("deleted-keep", "30d", "time after which deleted articles are purged, at least 1h; `off` keeps them"),
    setting(
        "source-keep",
        "30d",
        "time for which received documents are kept, compressed, for `GetArticleSource` and `GetExtractionReport`; `0` \
         keeps none",
    ),
    setting(
        "source-max-bytes",
        "10GiB",
        "maximum total size of kept documents; beyond it, the oldest are removed; at most half of `store-max-bytes`",
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
        "ingest-kill",
        "own-source",
        "permission to withdraw articles by canceled wire items: `own-source`, every caller that may ingest, for \
         articles of the same source with the same external ID; `admin-only`, callers with the scope `articles.edit` \
         or `articles.admin`",
    ),
    rare(
        "ingest-late-copies",
        "reject",
        "effect on a new article that is a copy of one that was withdrawn with `scope: COPIES`: `reject`, or `hold`: \
         it is stored as withdrawn, and editors can reinstate it",
    ),
    rare(
        "ingest-unread-timeout",
        "30s",
        "maximum time that a stream of documents leaves its responses unread before it is ended",
    ),
    rare("checkpoint-interval", "5s", "interval of checkpoints on a watch without changes"),
    rare("compression", "on", "compression of responses (gzip, zstd) for callers that accept it"),
    rare("compression-min-bytes", "1024", "minimum size of a unary response that is compressed"),
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
