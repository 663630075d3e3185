#!/bin/sh
# The first step of `docker compose up`, as root, once: makes what must be secret and gives each volume to the user
# that writes to it. Safe to run again: what exists is kept, unless .env says otherwise.
#
#   /volumes/ringback       token, signing secret, database URLs: read by Ringback's services and the cli
#   /volumes/mariadb        the passwords of MariaDB's users: read by MariaDB alone
#   /volumes/broker*        the brokers' messages
#   /config                 the folder docker/ of the repository
set -eu
umask 077

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

# Files of a checkout may be closed to others (umask 077), and no container but this one runs as root.
closed=$(find /config \( -type f ! -perm -o=r \) -o \( -type d ! -perm -o=rx \))
[ -z "$closed" ] || die "the containers' users can't read:
$closed
On the host: chmod -R a+rX docker"

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# put FILE OWNER VALUE: writes whole or not at all.
put() {
  printf '%s\n' "$3" >"$1.new"
  chown "$2" "$1.new"
  chmod 0400 "$1.new"
  mv "$1.new" "$1"
}

# keep FILE OWNER GIVEN FRESH: what .env gives wins, then what is there, then a fresh value.
keep() {
  if [ -n "$3" ]; then
    [ "$(cat "$1" 2>/dev/null || true)" = "$3" ] || { put "$1" "$2" "$3"; say "$(basename "$1"): as .env has it"; }
  elif [ ! -s "$1" ]; then
    put "$1" "$2" "$4"
    say "$(basename "$1"): made"
  fi
}

ringback=/volumes/ringback
mariadb=/volumes/mariadb
install -d -o 10001 -g 10001 -m 0700 "$ringback"
# MariaDB's entrypoint reads them as its own user, whose number is the image's business: the volume is MariaDB's alone.
install -d -m 0755 "$mariadb"

keep "$ringback/token" 10001:10001 "${RINGBACK_TOKEN:-}" "$(random)"
keep "$ringback/signing-secret" 10001:10001 "${RINGBACK_SIGNING_SECRET:-}" "whsec_$(head -c 32 /dev/urandom | base64)"

keep "$mariadb/root" 0:0 "" "$(random)"
for service in bank1 bank2 notifier; do
  keep "$mariadb/$service" 0:0 "" "$(random)"
  keep "$ringback/$service.database" 10001:10001 "" "mysql://$service:$(cat "$mariadb/$service")@mariadb:3306/$service"
done
chmod 0444 "$mariadb"/*

# RocketMQ's image runs as user 3000, and a new named volume belongs to root.
for store in /volumes/broker*; do
  [ "$(stat -c %u "$store")" = 3000 ] || { chown -R 3000:3000 "$store"; say "$(basename "$store"): given to user 3000"; }
done
say "ready"
