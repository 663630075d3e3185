#!/usr/bin/env bash
# Verifies what the notifier sends by the Standard Webhooks project's own libraries for Python and JavaScript, installed
# into a folder that is removed afterwards. Needs python3 with pip, node and npm, and a network: without one it says so
# and ends well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in python3 node npm; do
  command -v "$program" >/dev/null || { echo "standard-webhooks: $program is not installed" >&2; exit 1; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

installed() {
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$folder/python" \
    standardwebhooks==1.1.0 &&
    npm install --prefix "$folder/node" --silent --no-audit --no-fund standardwebhooks@1.1.1
}
if ! installed; then
  echo "standard-webhooks: skipped: the libraries could not be fetched (see above); nothing was verified" >&2
  exit 0
fi
RINGBACK_STANDARD_WEBHOOKS=$folder cargo test --workspace --locked --test notifier standard_webhooks -- --nocapture
