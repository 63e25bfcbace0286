# syntax=docker/dockerfile:1
# The server as an image: `docker build -t copydesk:0.1.0 .`
#
# What runs is one program on a C library: no shell, no package manager. It writes nowhere but to its data folder, and not even
# there with --store postgres://…, so the root file system may be read-only:
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
# The target folder stays in the cache, so the program is taken out of it in the same step. Without the lines of backtraces, which are
# three quarters of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    CARGO_PROFILE_RELEASE_DEBUG=false cargo build --locked --release --bin copydesk \
    && install -D target/release/copydesk /image/usr/local/bin/copydesk \
    && install -d -m 700 -o 65532 -g 65532 /image/var/lib/copydesk

# The same Debian as above: the C library must not be older than the one that the program was linked with.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image /
# By number, so that Kubernetes' runAsNonRoot can tell that it is not root.
USER 65532:65532
# Others can reach its ports, so callers need a key: `copydesk keys create`. Or COPYDESK_AUTH=off and COPYDESK_INSECURE=on.
ENV COPYDESK_AUTH=on \
    COPYDESK_LISTEN=0.0.0.0:50051 \
    COPYDESK_HTTP_LISTEN=0.0.0.0:9464 \
    COPYDESK_DATA_DIR=/var/lib/copydesk \
    COPYDESK_LOG_FORMAT=json
EXPOSE 50051 9464
VOLUME /var/lib/copydesk
# Whether it takes calls. Kubernetes has probes of its own and does not look at this.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=2 \
    CMD ["/usr/local/bin/copydesk", "health", "--service", "copydesk.v1.RetrievalService"]
ENTRYPOINT ["/usr/local/bin/copydesk"]
CMD ["serve"]
