#!/usr/bin/env bash
# Brings up docker-compose.yml as a project of its own, plays the demo's story on its containers, kills more of them,
# stops and starts all, and takes everything down again. Prints what was seen and how long it took.
#
#   scripts/compose-test.sh                one broker
#   scripts/compose-test.sh two-brokers    two brokers and two proxies, one of each killed
#
# COMPOSE=docker-compose takes version 1.29. RINGBACK is the program on this machine (default: cargo run).
# BUILD_PROFILE=release builds the image as it is for production (default: dev). COMPOSE_UP=--no-build takes the image
# that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

variant=${1:-one-broker}
case $variant in
  one-broker) ;;
  two-brokers) export COMPOSE_PROFILES=two-brokers ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac

# The file, and nobody's .env: what the test needs is set here.
scratch=$(mktemp -d)
: >"$scratch/env"
project=ringback-test-$$
read -ra compose <<<"${COMPOSE:-docker compose}"
compose+=(--project-name "$project" --env-file "$scratch/env" --file docker-compose.yml)
read -ra ringback <<<"${RINGBACK:-cargo run --quiet --locked --}"

# Ten ports in a row, below those that the system gives away.
base=$((20000 + ($$ % 1000) * 10))
export BANK1_PORT=$base BANK2_PORT=$((base + 1)) NOTIFIER_PORTS=$((base + 2))-$((base + 3))
export GRPC_PORT=$((base + 4)) BROKER_PORT=$((base + 5)) GRPC_TWO_PORT=$((base + 6)) BROKER_TWO_PORT=$((base + 7))
export RINGBACK_DEMO=1 RINGBACK_LADDER=1s,2s,3s BUILD_PROFILE=${BUILD_PROFILE:-dev}

began=$SECONDS
step() { printf '\n=== %s (%d s)\n' "$*" "$((SECONDS - began))"; }
die() { printf 'compose-test: %s\n' "$*" >&2; exit 1; }
# The containers of the project, or of one of its services.
containers() {
  docker ps --all --quiet --filter "label=com.docker.compose.project=$project" \
    ${1:+--filter "label=com.docker.compose.service=$1"} --filter label=com.docker.compose.oneoff=False
}

finish() {
  local status=$?
  if [ "$status" != 0 ]; then
    step "failed: what the containers said last"
    docker ps --all --filter "label=com.docker.compose.project=$project" || true
    "${compose[@]}" logs --tail=15 2>&1 | tail -150 || true
  fi
  step "down"
  "${compose[@]}" down --volumes --timeout 10 >/dev/null 2>&1 || status=1
  [ -z "$(containers)" ] || { echo "compose-test: containers of $project are left" >&2; status=1; }
  rm -rf "$scratch"
  step "done, exit code $status"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# until_true SECONDS WHAT COMMAND…
until_true() {
  local what=$2 end=$((SECONDS + $1)); shift 2
  until "$@"; do
    ((SECONDS < end)) || die "$what: not in time"
    sleep 1
  done
}
# Whether all that are to run are healthy.
all_healthy() {
  local states
  states=$(docker inspect --format \
    '{{.State.Status}} {{.State.ExitCode}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' $(containers)) || return 1
  ! grep -qvE '^(running 0 healthy|exited 0 )$' <<<"$states"
}
healthy() { until_true 240 "all containers healthy" all_healthy; }

cli() { "${compose[@]}" run --rm -T cli "$@"; }
host() { "${ringback[@]}" "$@"; }
nothing_under_way() {
  local accounts
  accounts=$(host accounts) && grep -q 'sum .* ok' <<<"$accounts" && ! grep -q 'in flight' <<<"$accounts"
}
settled() { until_true 120 "every transfer arrived" nothing_under_way; host accounts; }
delivered() { grep -E '^(tx|DELIVERED)' <<<"$1"; grep -q '^DELIVERED' <<<"$1" || { printf '%s\n' "$1"; die "not delivered"; }; }

step "$("${compose[@]}" version 2>/dev/null | head -1): up"
"${compose[@]}" up --detach "${COMPOSE_UP:---build}" 2>&1 | tail -3
healthy
step "up and healthy"
docker ps --filter "label=com.docker.compose.project=$project" --format 'table {{.Names}}\t{{.Image}}\t{{.Status}}'

step "the story: bank1, both notifiers and the broker are killed"
host demo --compose "$project" | tee "$scratch/story" || die "the story did not end as it should"
grep -q 'conserved .*10/10 as expected' "$scratch/story" || die "the table is another"

step "the command line inside: docker compose run --rm cli transfer --amount 10.00 --wait"
delivered "$(cli transfer --amount 10.00 --wait)"

step "the program on this machine, with the published ports and the same token"
RINGBACK_TOKEN=$(docker exec "$(containers bank1)" cat /data/token)
export RINGBACK_TOKEN RINGBACK_BANK1=http://127.0.0.1:$BANK1_PORT RINGBACK_BANK2=http://127.0.0.1:$BANK2_PORT
export RINGBACK_NOTIFIER=http://127.0.0.1:${NOTIFIER_PORTS%-*}
delivered "$(host transfer --amount 10.00 --wait)"

step "twenty transfers, one of two notifiers killed in the middle"
# The second one: the first is the one whose API is asked.
second=$(docker ps --quiet --filter "label=com.docker.compose.project=$project" --filter "publish=${NOTIFIER_PORTS#*-}")
for n in $(seq 20); do
  host transfer --amount 1.00 >/dev/null || die "transfer $n"
  [ "$n" != 7 ] || docker kill --signal KILL "$second" >/dev/null
done
settled
docker start "$second" >/dev/null
docker exec "$(containers mariadb)" sh -c 'mariadb -uroot -p"$(cat /run/ringback/root)" notifier -Ne \
  "SELECT CONCAT(COUNT(*), \" attempts by \", worker) FROM attempt GROUP BY worker"'

step "JVMs and bank2 killed from inside: their restart policy brings them back; MariaDB killed and started"
# A container killed by docker stays dead, as restart policies go; a process that dies in it does not.
jvm='for p in /proc/[0-9]*; do case $(readlink $p/exe) in */java) kill -KILL ${p#/proc/} ;; esac; done'
docker exec "$(containers proxy)" bash -c "$jvm"
docker exec "$(containers namesrv)" bash -c "$jvm"
docker exec "$(containers bank2)" sh -c 'for p in /proc/[0-9]*; do case $(readlink $p/exe) in */ringback) kill -KILL ${p#/proc/} ;; esac; done' || true
docker kill --signal KILL "$(containers mariadb)" >/dev/null
docker start "$(containers mariadb)" >/dev/null
healthy
delivered "$(host transfer --amount 10.00 --wait)"

if [ "$variant" = two-brokers ]; then
  step "two brokers: the first broker and the first proxy killed, traffic goes on"
  docker kill --signal KILL "$(containers broker)" "$(containers proxy)" >/dev/null
  for n in 1 2 3 4 5; do delivered "$(host transfer --amount 1.00 --wait)"; done
  step "they come back, with traffic all the while; then the second ones are killed"
  docker start "$(containers broker)" "$(containers proxy)" >/dev/null
  healthy
  # A proxy believes its route for 20 s; whoever is back is used again after that.
  for n in $(seq 25); do host transfer --amount 1.00 >/dev/null || die "transfer $n after the return"; sleep 1; done
  docker kill --signal KILL "$(containers broker-two)" "$(containers proxy-two)" >/dev/null
  for n in 1 2 3 4 5; do delivered "$(host transfer --amount 1.00 --wait)"; done
  docker start "$(containers broker-two)" "$(containers proxy-two)" >/dev/null
  healthy
  settled
fi

step "a message on its way while everything stops and starts"
docker stop $(containers notifier) >/dev/null
host transfer --amount 10.00 | head -1
"${compose[@]}" stop >/dev/null 2>&1
step "stopped; starting"
"${compose[@]}" start >/dev/null 2>&1 || "${compose[@]}" start
healthy
settled
