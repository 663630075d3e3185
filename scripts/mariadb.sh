#!/usr/bin/env bash
# Runs a MariaDB server of its own for development and CI: a private folder and port, durable commits, a small
# buffer pool. Installs nothing; needs mariadbd and mariadb-install-db (Debian, Ubuntu: mariadb-server).
#
#   scripts/mariadb.sh up       make the folder, start what does not run, wait until it answers
#   scripts/mariadb.sh down     stop it; the data stays
#   scripts/mariadb.sh kill9    SIGKILL the server, as a crash would
#   scripts/mariadb.sh start    start it again and wait until it answers
#   scripts/mariadb.sh status   whether it runs, and where
#   scripts/mariadb.sh url      the URL of the server, for --database and RINGBACK_TEST_DATABASE
#   scripts/mariadb.sh sql …    the mariadb client on it, as root
#   scripts/mariadb.sh wipe     down, and throw the data away
#
# Everything lives in MARIADB_DIR (default: .mariadb in the repository, which git ignores). MARIADB_PORT: 3307.
# MARIADB_ARGS: further options of mariadbd. root has no password and is reached from this machine only.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${MARIADB_DIR:-$repo/.mariadb}
port=${MARIADB_PORT:-3307}
socket=$dir/sock
url=mysql://root@127.0.0.1:$port/

# Servers lie in sbin, which is not in everybody's PATH.
PATH=$PATH:/usr/sbin:/usr/local/sbin

say() { printf 'mariadb: %s\n' "$*"; }
die() { printf 'mariadb: %s\n' "$*" >&2; exit 1; }

need() {
  local tool
  for tool in mariadbd mariadb-install-db mariadb; do
    command -v "$tool" >/dev/null ||
      die "$tool is not installed (Debian, Ubuntu: apt-get install mariadb-server; its own service is not needed)"
  done
  # A Unix socket's path has room for 107 bytes.
  ((${#socket} < 108)) || die "the folder's path is too long for a socket in it: $dir (MARIADB_DIR changes it)"
}

# Prints the server's pid if it runs and is ours (a recycled pid is not).
pid_of() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "--datadir=$dir/data" || return 1
  printf '%s\n' "$pid"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

client() { mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$port" -u root "$@"; }

make_folder() {
  [ -e "$dir/data/.made" ] && return
  mkdir -p "$dir/data" "$dir/tmp" "$dir/log"
  say "making the database folder $dir/data"
  # Emptied first: an attempt that was cut off leaves half a folder behind.
  rm -rf "${dir:?}/data"
  mkdir -p "$dir/data"
  mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" \
    --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >"$dir/log/install.out" 2>&1 ||
    die "mariadb-install-db failed; see $dir/log/install.out"
  touch "$dir/data/.made"
}

answers() {
  pid_of >/dev/null || die "the server ended while starting; see $dir/log/mariadbd.err"
  client -N -e 'SELECT 1' >/dev/null 2>&1
}

start() {
  need
  pid_of >/dev/null && return
  listening && die "port $port is taken by another process (MARIADB_PORT changes it)"
  make_folder
  # A session of its own, so that it outlives the shell.
  # shellcheck disable=SC2086
  setsid nohup mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" \
    --bind-address=127.0.0.1 --port="$port" --socket="$socket" --pid-file="$dir/mariadbd.pid" \
    --log-error="$dir/log/mariadbd.err" --skip-name-resolve \
    --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=64M --innodb-log-file-size=32M \
    --key-buffer-size=1M --performance-schema=OFF --character-set-server=utf8mb4 \
    ${MARIADB_ARGS:-} >>"$dir/log/mariadbd.out" 2>&1 </dev/null &
  local pid=$! end=$((SECONDS + 60))
  printf '%s\n' "$pid" >"$dir/pid"
  disown
  # exec follows fork a moment later: until then the process does not look like ours.
  until pid_of >/dev/null || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  until answers; do
    ((SECONDS < end)) || die "the server does not answer on port $port within 60 s; see $dir/log/mariadbd.err"
    sleep 0.1
  done
}

# stop SIGNAL
stop() {
  local pid end=$((SECONDS + 60))
  pid=$(pid_of) || { rm -f "$dir/pid"; return 0; }
  kill "-$1" "$pid"
  # A killed one that its parent has not buried yet has an empty command line, and counts as ended. Its command
  # line goes before its sockets do: only when nothing listens any more can the server be started again.
  while pid_of >/dev/null || listening; do
    ((SECONDS < end)) || { say "the server ($pid) did not end in 60 s: SIGKILL"; kill -KILL "$pid" 2>/dev/null || true; break; }
    sleep 0.1
  done
  rm -f "$dir/pid"
}

case ${1:-help} in
  up) start; say "ready: $url" ;;
  start) start; say "ready: $url" ;;
  down) stop TERM; say "stopped; data in $dir/data" ;;
  kill9) pid_of >/dev/null || die "the server does not run"; stop KILL; say "killed" ;;
  status)
    if pid=$(pid_of); then say "runs, pid $pid: $url"; else say "does not run"; fi ;;
  url) printf '%s\n' "$url" ;;
  sql) shift; need; client "$@" ;;
  wipe) stop TERM; rm -rf "${dir:?}/data" "$dir/tmp" "$dir/log" "$dir/mariadbd.pid" "$socket"; say "wiped" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
