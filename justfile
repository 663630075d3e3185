# Every recipe of the project; `.ci/run` runs the same ones' commands. `just` alone lists them.

_list:
    @just --list --unsorted

# Formatting, lints with warnings denied, dependency rules
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked --features ringback/jemalloc -- -D warnings
    scripts/check-dependencies.sh

# Licences, bans, advisories (needs cargo-deny)
deny:
    cargo deny check

# The README's own test command
test:
    cargo test --workspace --locked

# Write docs/openapi.json anew, from the code
openapi:
    RINGBACK_WRITE_DOCUMENT=1 cargo test --workspace --locked --lib the_document_is_the_one_that_is_written_down

# The demo on the embedded broker
demo *ARGS:
    cargo run --locked -- demo {{ARGS}}

# Start Apache RocketMQ from its Maven artifacts (Java 17, Maven); safe to run twice
rocketmq-up:
    scripts/rocketmq.sh up

# Stop it; its messages stay
rocketmq-down:
    scripts/rocketmq.sh down

# Start a MariaDB server of the repository's own (needs Debian's mariadb-server, whose service may be off); safe to run twice
mariadb-up:
    scripts/mariadb.sh up

# Stop it; its data stays
mariadb-down:
    scripts/mariadb.sh down

# Every test that opens a database, on MariaDB
test-mariadb: mariadb-up
    RINGBACK_TEST_DATABASE=$(scripts/mariadb.sh url) RINGBACK_REQUIRE_MARIADB=1 cargo test --workspace --locked --lib --test banks --test initiator --test notifier --test chaos_bank1 --test chaos_notifier --test replicas --test database_starts --test database_faults

# One list of behaviours on the embedded broker and on an Apache RocketMQ of its own, with a table of both
conformance *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    export ROCKETMQ_DIR=${ROCKETMQ_DIR:-$PWD/.rocketmq-conformance}
    free() { for port in $(shuf -i 20000-31000 -n 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }; done; }
    export NAMESRV_PORT=${NAMESRV_PORT:-$(free)} BROKER_PORT=${BROKER_PORT:-$(free)}
    export GRPC_PORT=${GRPC_PORT:-$(free)} REMOTING_PORT=${REMOTING_PORT:-$(free)}
    trap 'scripts/rocketmq.sh wipe' EXIT
    scripts/rocketmq.sh up
    eval "$(scripts/rocketmq.sh env)"
    cargo test --workspace --locked --test conformance -- {{ARGS}}

# The same where every call is signed (ACL 2.0) and goes over TLS
conformance-secure *ARGS:
    ROCKETMQ_ACL=1 ROCKETMQ_TLS=1 ROCKETMQ_DIR=$PWD/.rocketmq-secure just conformance {{ARGS}}

# The same on RocketMQ 5.4.0, or another version
conformance-version VERSION="5.4.0" *ARGS:
    ROCKETMQ_VERSION={{VERSION}} ROCKETMQ_DIR=$PWD/.rocketmq-{{VERSION}} just conformance {{ARGS}}

# The demo on Apache RocketMQ, its JVM killed in the middle
demo-rocketmq: rocketmq-up
    cargo run --locked -- demo --broker 127.0.0.1:8081 --broker-restart scripts/rocketmq.sh

# The story on docker-compose.yml, containers killed in the middle; `two-brokers` for the second profile
compose-test *ARGS:
    scripts/compose-test.sh {{ARGS}}

# The kill tests, longer: each named step 20 times, 200 kills at random
soak:
    RINGBACK_SOAK=1 cargo test --workspace --locked --test chaos_bank1 --test chaos_notifier -- --nocapture

# An older release and this one side by side over a change of the schema; skipped in a clone without that release
rolling-upgrade:
    #!/usr/bin/env bash
    set -eu
    older=$(scripts/older-release.sh) || { code=$?; [ $code = 3 ] && echo "skipped" && exit 0; exit $code; }
    RINGBACK_OLDER=$older cargo test --workspace --locked --test rolling_upgrade -- --nocapture

# What is signed, verified by the Standard Webhooks project's own libraries for Python and JavaScript
standard-webhooks:
    scripts/standard-webhooks.sh
# Every scenario of the benchmark, release build; `just bench drain --count 1000` for one of them
bench *ARGS:
    cargo build --locked --release -p ringback -p ringback-bench --features ringback/jemalloc
    "${CARGO_TARGET_DIR:-target}"/release/ringback-bench run {{ARGS}}

# Two brokers and two proxies of Apache RocketMQ, of which each is killed under load
cluster-test:
    #!/usr/bin/env bash
    set -eu
    scripts/rocketmq.sh cluster up
    trap 'scripts/rocketmq.sh cluster down' EXIT
    RINGBACK_ROCKETMQ_CLUSTER=$PWD/scripts/rocketmq.sh cargo test --workspace --locked --test two_brokers -- --nocapture

# All that CI does
ci:
    .ci/run
