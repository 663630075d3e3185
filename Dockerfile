# One image for every service and the command line. Plain syntax: Docker 20.10's own builder takes it.
#
#   docker build -t ringback .                          release, as it runs in production
#   docker build -t ringback --build-arg PROFILE=dev .  quicker to build

# The manifests alone, with empty sources: this stage runs after every edit, what it makes changes seldom.
FROM rust:1.95-bookworm AS manifests
WORKDIR /src
COPY . .
RUN rm -rf sql docker \
 && find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path './.cargo/*' -delete \
 && for manifest in crates/*/Cargo.toml tests/Cargo.toml bench/Cargo.toml; do \
      mkdir -p "${manifest%/*}/src" && : >"${manifest%/*}/src/lib.rs" || exit 1; \
    done \
 && echo 'fn main() {}' >crates/ringback/src/main.rs \
 && echo 'fn main() {}' >crates/rocketmq-wire/build.rs

# The dependencies, built again only when a manifest or the lock file has changed.
FROM rust:1.95-bookworm AS dependencies
ARG PROFILE=release
ENV CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --locked --package ringback --features jemalloc --profile "$PROFILE" \
 && find . -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +

# The program. Cargo goes by times of files: the empty sources above are newer than a checkout, so all are touched.
FROM dependencies AS program
ARG PROFILE=release
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
COPY tests tests
COPY bench bench
COPY sql sql
RUN find crates sql -type f -exec touch {} + \
 && cargo build --locked --package ringback --features jemalloc --profile "$PROFILE" \
 && mkdir /out && cp target/*/ringback /out/ && strip /out/ringback

FROM debian:bookworm-slim
RUN groupadd --gid 10001 ringback \
 && useradd --uid 10001 --gid ringback --no-create-home --home-dir /data --shell /usr/sbin/nologin ringback \
 && install -d -o ringback -g ringback -m 0700 /data
# The roots that TLS to a broker or a receiver is checked against; no package to install for them.
COPY --from=program /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY docker/setup.sh /usr/local/lib/ringback/
COPY --from=program /out/ringback /usr/local/bin/
USER ringback
WORKDIR /data
ENV RINGBACK_DATA_DIR=/data RINGBACK_LOG=stderr
# Graceful: polls are let finish, results recorded, what is held given back.
STOPSIGNAL SIGTERM
ENTRYPOINT ["ringback"]
CMD ["--help"]
