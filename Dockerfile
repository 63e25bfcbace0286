# syntax=docker/dockerfile:1
# The server as an image: `docker build -t copydesk:0.1.0 .`
#
# It contains one program and a C library: no shell, no package manager. The program writes only to its data folder (with
# --store postgres://… only the search index, in COPYDESK_SEARCH_DIR), so the root file system can be read-only:
#
#   docker run --read-only --cap-drop ALL -p 127.0.0.1:50051:50051 -v copydesk:/var/lib/copydesk copydesk:0.1.0

FROM rust:1.89-slim-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY proto proto
COPY src src
# The Rust client is in it, which the commands use; and service-config.json, which is compiled in.
COPY clients clients
# The target folder is a cache mount, so the program is copied from it in the same step. Without debug line tables, which are
# three quarters of its size.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    CARGO_PROFILE_DIST_DEBUG=false cargo build --locked --profile dist --bin copydesk \
    && install -D target/dist/copydesk /image/usr/local/bin/copydesk \
    && install -d -m 700 -o 65532 -g 65532 /image/var/lib/copydesk

# The same Debian release as above: the C library must not be older than the one that the program was linked with.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image /
# By number, so that Kubernetes can check runAsNonRoot.
USER 65532:65532
# The ports are not loopback, so callers need a key: `copydesk keys create`. Or COPYDESK_AUTH=off and COPYDESK_INSECURE=on.
ENV COPYDESK_AUTH=on \
    COPYDESK_LISTEN=0.0.0.0:50051 \
    COPYDESK_HTTP_LISTEN=0.0.0.0:9464 \
    COPYDESK_DATA_DIR=/var/lib/copydesk \
    COPYDESK_LOG_FORMAT=json
EXPOSE 50051 9464
VOLUME /var/lib/copydesk
# Readiness. Kubernetes ignores this and has its own probes.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=2 \
    CMD ["/usr/local/bin/copydesk", "health", "--service", "copydesk.v1.RetrievalService"]
ENTRYPOINT ["/usr/local/bin/copydesk"]
CMD ["serve"]
