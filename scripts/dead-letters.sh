#!/usr/bin/env bash
# Plays a night with dead letters (docs/dead-letters.md) on a release build: scripts/dead-letters.sh [--count 100000]
# [--rate 200/s] [--then 500/s] [--fresh 50]. Exit code 0 if each was delivered and applied once.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -p ringback --bin ringback
cargo build --release --locked -p ringback-tests --example dead_letters
target=${CARGO_TARGET_DIR:-target}
exec "$target/release/examples/dead_letters" --program "$target/release/ringback" "$@"
