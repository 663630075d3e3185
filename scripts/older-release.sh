#!/usr/bin/env bash
# Builds the older release that a rolling upgrade is tried from, and prints the path of its program.
#
#   scripts/older-release.sh
#
# It is built once, in OLDER_DIR (default: target/older in the repository). Exit code 3: this clone lacks the commit.
set -euo pipefail

# The last one before sql/notifier/0003_*. A later choice needs a change of a schema behind it, too.
commit=524824c122958c9ea493d97d58704628c6139fcd

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${OLDER_DIR:-$repo/target/older}/$commit
program=$dir/target/debug/ringback

if [ ! -x "$program" ]; then
  if ! git -C "$repo" cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "older-release: this clone has no commit $commit; \`git fetch --unshallow\` brings it" >&2
    exit 3
  fi
  rm -rf "$dir/source"
  mkdir -p "$dir/source"
  git -C "$repo" archive "$commit" | tar -x -C "$dir/source"
  # Its own target folder, whatever the caller's is.
  (cd "$dir/source" && CARGO_TARGET_DIR=$dir/target cargo build --locked --bin ringback >&2)
fi
printf '%s\n' "$program"
