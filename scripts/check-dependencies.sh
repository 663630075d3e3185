#!/usr/bin/env bash
# Refuses what a fresh machine with Rust and a C compiler could not build, and upward arrows between our crates.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bad=0
cargo tree --locked --workspace --depth 0 >/dev/null # the tree can be read at all
for crate in openssl-sys native-tls aws-lc-sys aws-lc-rs cmake tikv-jemalloc-sys; do
  if cargo tree --locked --workspace --target all --invert "$crate" >/dev/null 2>&1; then
    echo "dependencies: $crate is in the tree (cargo tree -i $crate shows by whom)" >&2
    bad=1
  fi
done

# Which of our crates each may use (ARCHITECTURE.md, 'Crates'); dev-dependencies are free.
declare -A may=(
  [notification]="" [rocketmq-wire]="" [database]="" [service]=""
  [rocketmq]="rocketmq-wire" [broker]="rocketmq-wire"
  [producer]="notification rocketmq database service" [notifier]="notification rocketmq database service"
  [receiver]="notification database service" [banks]="notification producer receiver database service"
  [demo]="notification rocketmq" [alarm]="notification database service"
)
for crate in "${!may[@]}"; do
  tree=$(cargo tree --locked -p "$crate" --edges normal --prefix none --format '{p}' --depth 1)
  while read -r used; do
    [[ -z $used || $used == "$crate" || " ${may[$crate]} " == *" $used "* ]] && continue
    echo "dependencies: crate $crate may not use $used" >&2
    bad=1
  done <<<"$(sed -n 's|^\([a-z-]*\) v[^ ]* (/.*/crates/.*|\1|p' <<<"$tree" | sort -u)"
done
exit $bad
