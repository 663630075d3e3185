#!/usr/bin/env bash
# Runs Apache RocketMQ (name server, and broker with its gRPC proxy in one JVM) from its Maven artifacts,
# for development and CI: small heaps, SYNC_FLUSH, quick check-backs. Needs Java 17 and Maven.
#
#   scripts/rocketmq.sh up       fetch the jars, start what does not run, make topic and group, wait until ready
#   scripts/rocketmq.sh down     stop both; the data stays
#   scripts/rocketmq.sh kill9    SIGKILL the broker JVM, as a crash would
#   scripts/rocketmq.sh start    start the broker JVM again and wait until it answers
#   scripts/rocketmq.sh status   what runs, and where
#   scripts/rocketmq.sh admin …  mqadmin with this name server
#   scripts/rocketmq.sh wipe     down, and throw the stored messages away
#
# Everything lives in ROCKETMQ_DIR (default: .rocketmq in the repository, which git ignores).
# Ports: NAMESRV_PORT 9876, BROKER_PORT 10911 (also -2 and +1), GRPC_PORT 8081, REMOTING_PORT 8080.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${ROCKETMQ_DIR:-$repo/.rocketmq}
namesrv_port=${NAMESRV_PORT:-9876}
broker_port=${BROKER_PORT:-10911}
grpc_port=${GRPC_PORT:-8081}
remoting_port=${REMOTING_PORT:-8080}
topic=${TOPIC:-topic_txmsg}
group=${GROUP:-bank2}
namesrv=127.0.0.1:$namesrv_port
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

say() { printf 'rocketmq: %s\n' "$*"; }
die() { printf 'rocketmq: %s\n' "$*" >&2; exit 1; }

# Prints the pid of the JVM called $1 if it runs and is ours (a recycled pid is not).
pid_of() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-Drocketmq.home.dir=$dir" || return 1
  printf '%s\n' "$pid"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_for SECONDS WHAT COMMAND…
wait_for() {
  local seconds=$1 what=$2 end=$((SECONDS + $1)); shift 2
  until "$@"; do
    ((SECONDS < end)) || die "$what: not within $seconds s; logs in $dir/log"
    sleep 0.3
  done
}

fetch() {
  local version
  version=$(sed -n 's/.*<rocketmq.version>\(.*\)<.*/\1/p' "$repo/scripts/rocketmq/pom.xml")
  if [ "$(cat "$dir/lib/.version" 2>/dev/null)" != "$version" ]; then
    command -v mvn >/dev/null || die "Maven is not installed (it fetches the jars)"
    say "fetching Apache RocketMQ $version"
    rm -rf "$dir/lib"
    mvn -q -B -f "$repo/scripts/rocketmq/pom.xml" dependency:copy-dependencies -DoutputDirectory="$dir/lib" >&2
    printf '%s\n' "$version" >"$dir/lib/.version"
  fi
}

configure() {
  mkdir -p "$dir"/{conf,store,log,run}
  cat >"$dir/conf/broker.conf" <<CONF
brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
brokerIP1=127.0.0.1
listenPort=$broker_port
namesrvAddr=$namesrv
storePathRootDir=$dir/store
storePathCommitLog=$dir/store/commitlog
mappedFileSizeCommitLog=134217728
diskMaxUsedSpaceRatio=98
flushDiskType=SYNC_FLUSH
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=true
transactionTimeOut=3000
transactionCheckInterval=2000
transactionCheckMax=15
CONF
  cat >"$dir/conf/rmq-proxy.json" <<CONF
{
  "rocketMQClusterName": "DefaultCluster",
  "namesrvAddr": "$namesrv",
  "grpcServerPort": $grpc_port,
  "remotingListenPort": $remoting_port
}
CONF
}

# jvm NAME HEAP MAIN ARGS…: starts a JVM in a session of its own, so that it outlives the shell.
jvm() {
  local name=$1 heap=$2 main=$3; shift 3
  ROCKETMQ_HOME=$dir setsid nohup "$java" -server "-Xms$heap" "-Xmx$heap" -XX:MaxDirectMemorySize=1g \
    "-Drocketmq.home.dir=$dir" "-Duser.home=$dir" \
    --add-opens java.base/jdk.internal.ref=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED \
    --add-opens java.base/sun.nio.ch=ALL-UNNAMED --add-exports java.base/sun.nio.ch=ALL-UNNAMED \
    --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
    -cp "$dir/lib/*" "$main" "$@" >"$dir/log/$name.out" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$dir/run/$name.pid"
  disown
}

start_namesrv() {
  pid_of namesrv >/dev/null && return
  listening "$namesrv_port" && die "port $namesrv_port is taken by another process (NAMESRV_PORT changes it)"
  printf 'listenPort=%s\n' "$namesrv_port" >"$dir/conf/namesrv.conf"
  jvm namesrv 128m org.apache.rocketmq.namesrv.NamesrvStartup -c "$dir/conf/namesrv.conf"
  wait_for 60 "name server on port $namesrv_port" listening "$namesrv_port"
}

broker_ready() {
  pid_of broker >/dev/null || die "the broker ended while starting; see $dir/log/broker.out"
  grep -q 'rocketmq-proxy startup successfully' "$dir/log/broker.out" && listening "$grpc_port"
}

start_broker() {
  pid_of broker >/dev/null && return
  listening "$grpc_port" && die "port $grpc_port is taken by another process (GRPC_PORT changes it)"
  jvm broker 768m org.apache.rocketmq.proxy.ProxyStartup -pm local -n "$namesrv" \
    -bc "$dir/conf/broker.conf" -pc "$dir/conf/rmq-proxy.json"
  wait_for 120 "broker with proxy on port $grpc_port" broker_ready
}

# mqadmin exits 0 when it fails, so its words decide.
admin() {
  ROCKETMQ_HOME=$dir "$java" -Xmx128m "-Drocketmq.home.dir=$dir" "-Duser.home=$dir" -cp "$dir/lib/*" \
    org.apache.rocketmq.tools.command.MQAdminStartup "$@" -n "$namesrv" 2>&1
}

admin_says() {
  local words=$1 out; shift
  out=$(admin "$@") && grep -q "$words" <<<"$out" && return
  printf '%s\n' "$out" >"$dir/log/admin.out"
  return 1
}

# The group's policy is RocketMQ's ladder of 16 levels; retryMaxTimes lies far above it, because the notifier
# counts attempts and ends the ladder itself.
topics_and_groups() {
  local mark="$dir/store/.made-$topic-$group"
  [ -e "$mark" ] && return
  local policy='{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[10000,30000,60000,120000,180000,240000,300000,360000,420000,480000,540000,600000,1200000,1800000,3600000,7200000]}}'
  wait_for 60 "topic $topic" admin_says 'create topic to .* success' \
    updateTopic -b "127.0.0.1:$broker_port" -t "$topic" -r 8 -w 8 -a '+message.type=TRANSACTION'
  wait_for 60 "group $group" admin_says 'create subscription group to .* success' \
    updateSubGroup -b "127.0.0.1:$broker_port" -g "$group" -q 1 -r 1000 -p "$policy"
  touch "$mark"
}

# stop NAME SIGNAL
stop() {
  local pid
  pid=$(pid_of "$1") || { rm -f "$dir/run/$1.pid"; return 0; }
  kill "-$2" "$pid"
  local end=$((SECONDS + 30))
  while kill -0 "$pid" 2>/dev/null; do
    ((SECONDS < end)) || { say "$1 ($pid) did not end in 30 s: SIGKILL"; kill -KILL "$pid"; break; }
    sleep 0.2
  done
  rm -f "$dir/run/$1.pid"
}

case ${1:-help} in
  up)
    fetch; configure; start_namesrv; start_broker; topics_and_groups
    say "ready: gRPC 127.0.0.1:$grpc_port, remoting 127.0.0.1:$broker_port, name server $namesrv" ;;
  down) stop broker TERM; stop namesrv TERM; say "stopped; data in $dir/store" ;;
  kill9) pid_of broker >/dev/null || die "the broker does not run"; stop broker KILL; say "broker killed" ;;
  start) fetch; configure; start_namesrv; start_broker; say "broker ready on 127.0.0.1:$grpc_port" ;;
  status)
    for name in namesrv broker; do
      if pid=$(pid_of $name); then say "$name runs, pid $pid"; else say "$name does not run"; fi
    done ;;
  admin) shift; admin "$@" ;;
  wipe) stop broker TERM; stop namesrv TERM; rm -rf "$dir/store" "$dir/log" "$dir/run"; say "wiped" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
