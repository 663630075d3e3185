#!/usr/bin/env bash
# Runs Apache RocketMQ from its Maven artifacts, for development and CI: small heaps, SYNC_FLUSH, quick
# check-backs. A name server, and broker and gRPC proxy in one JVM. Needs Java 17 and Maven.
#
#   scripts/rocketmq.sh up       fetch the jars, start what does not run, make topic and group, wait until ready
#   scripts/rocketmq.sh down     stop all; the data stays
#   scripts/rocketmq.sh kill9    SIGKILL the broker JVM, as a crash would
#   scripts/rocketmq.sh start    start the broker JVM again and wait until it answers
#   scripts/rocketmq.sh status   what runs
#   scripts/rocketmq.sh where    the addresses, and with ACL or TLS the files, one `name=value` a line
#   scripts/rocketmq.sh env      the same as the variables that the tests read, for `eval`; with ACL it is the super user
#   scripts/rocketmq.sh admin …  mqadmin with this name server
#   scripts/rocketmq.sh wipe     down, and throw the stored messages away
#
#   scripts/rocketmq.sh cluster up|down|status|where|env|admin|wipe      two brokers and two proxies, a JVM each
#   scripts/rocketmq.sh cluster kill9|start NAME                     NAME: broker-a, broker-b, proxy-a, proxy-b
#
# Everything lives in ROCKETMQ_DIR (default: .rocketmq in the repository, which git ignores; a cluster: .rocketmq-cluster).
# ROCKETMQ_VERSION  another version than the one in scripts/rocketmq/pom.xml; give it a folder of its own
# ROCKETMQ_ACL=1    ACL 2.0: users `admin` (super) and `ringback` (topic, group and the group's DLQ), secrets in conf/secrets
# ROCKETMQ_TLS=1    the proxies' certificate is for 127.0.0.1 and localhost, from a CA made in conf/tls
# Ports: NAMESRV_PORT 9876, BROKER_PORT 10911 (also -2 and +1), GRPC_PORT 8081, REMOTING_PORT 8080;
# in a cluster broker-b has BROKER_PORT + 10, proxy-b GRPC_PORT + 2 and REMOTING_PORT + 2.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cluster=
if [ "${1:-}" = cluster ]; then cluster=1; shift; fi
dir=${ROCKETMQ_DIR:-$repo/.rocketmq${cluster:+-cluster}}
version=${ROCKETMQ_VERSION:-$(sed -n 's/.*<rocketmq.version>\(.*\)<.*/\1/p' "$repo/scripts/rocketmq/pom.xml")}
acl=${ROCKETMQ_ACL:-}
tls=${ROCKETMQ_TLS:-}
namesrv_port=${NAMESRV_PORT:-9876}
broker_port=${BROKER_PORT:-10911}
grpc_port=${GRPC_PORT:-8081}
remoting_port=${REMOTING_PORT:-8080}
topic=${TOPIC:-topic_txmsg}
group=${GROUP:-bank2}
namesrv=127.0.0.1:$namesrv_port
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
lib=$dir/lib/$version
# What runs beside the name server, in the order of starting.
if [ -n "$cluster" ]; then servers=(broker-a broker-b proxy-a proxy-b); else servers=(broker); fi

say() { printf 'rocketmq: %s\n' "$*"; }
die() { printf 'rocketmq: %s\n' "$*" >&2; exit 1; }

# Prints the pid of the JVM called $1 if it runs and is ours (a recycled pid is not).
pid_of() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
  ours "$pid" || return 1
  printf '%s\n' "$pid"
}

# Whether process $1 is a JVM of this folder; another folder's name may begin with this one's.
ours() { tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -- "-Drocketmq.home.dir=$dir"; }

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
  if [ ! -e "$lib/.complete" ]; then
    command -v mvn >/dev/null || die "Maven is not installed (it fetches the jars)"
    say "fetching Apache RocketMQ $version"
    rm -rf "$lib"
    mvn -q -B -f "$repo/scripts/rocketmq/pom.xml" "-Drocketmq.version=$version" \
      dependency:copy-dependencies -DoutputDirectory="$lib" >&2
    touch "$lib/.complete"
  fi
}

# The port of a server that tells whether it is up.
port_of() {
  case $1 in
    broker | proxy-a) echo "$grpc_port" ;;
    proxy-b) echo $((grpc_port + 2)) ;;
    broker-a) echo "$broker_port" ;;
    broker-b) echo $((broker_port + 10)) ;;
  esac
}

# secret NAME: the user's secret, made at its first use.
secret() {
  local file=$dir/conf/secrets/$1
  if [ ! -e "$file" ]; then
    mkdir -p "$dir/conf/secrets"
    (umask 077; head -c 18 /dev/urandom | base64 | tr -d '+/=\n' >"$file")
  fi
  cat "$file"
}

# The part of broker.conf that turns ACL 2.0 on.
broker_acl() {
  local package=org.apache.rocketmq.auth
  cat <<CONF
authenticationEnabled=true
authenticationProvider=$package.authentication.provider.DefaultAuthenticationProvider
authenticationMetadataProvider=$package.authentication.provider.LocalAuthenticationMetadataProvider
initAuthenticationUser={"username":"admin","password":"$(secret admin)"}
innerClientAuthenticationCredentials={"accessKey":"admin","secretKey":"$(secret admin)"}
authorizationEnabled=true
authorizationProvider=$package.authorization.provider.DefaultAuthorizationProvider
authorizationMetadataProvider=$package.authorization.provider.LocalAuthorizationMetadataProvider
CONF
}

# broker_conf NAME PORT STORE
broker_conf() {
  cat <<CONF
brokerClusterName=DefaultCluster
brokerName=$1
brokerId=0
brokerIP1=127.0.0.1
listenPort=$2
namesrvAddr=$namesrv
storePathRootDir=$3
storePathCommitLog=$3/commitlog
mappedFileSizeCommitLog=134217728
diskMaxUsedSpaceRatio=98
flushDiskType=SYNC_FLUSH
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=true
transactionTimeOut=3000
transactionCheckInterval=2000
transactionCheckMax=15
CONF
  if [ -n "$acl" ]; then broker_acl; fi
}

# proxy_conf NAME GRPC-PORT REMOTING-PORT
proxy_conf() {
  local package=org.apache.rocketmq more=
  if [ -n "$cluster" ]; then more+=",
  \"proxyName\": \"$1\",
  \"useEndpointPortFromRequest\": true"; fi
  if [ -n "$acl" ]; then more+=",
  \"authenticationEnabled\": true,
  \"authenticationProvider\": \"$package.auth.authentication.provider.DefaultAuthenticationProvider\",
  \"authenticationMetadataProvider\": \"$package.proxy.auth.ProxyAuthenticationMetadataProvider\",
  \"innerClientAuthenticationCredentials\": \"{\\\"accessKey\\\":\\\"admin\\\",\\\"secretKey\\\":\\\"$(secret admin)\\\"}\",
  \"authorizationEnabled\": true,
  \"authorizationProvider\": \"$package.auth.authorization.provider.DefaultAuthorizationProvider\",
  \"authorizationMetadataProvider\": \"$package.proxy.auth.ProxyAuthorizationMetadataProvider\""; fi
  if [ -n "$tls" ]; then more+=",
  \"tlsTestModeEnable\": false,
  \"tlsKeyPath\": \"$dir/conf/tls/proxy.key\",
  \"tlsCertPath\": \"$dir/conf/tls/proxy.pem\""; fi
  cat <<CONF
{
  "rocketMQClusterName": "DefaultCluster",
  "namesrvAddr": "$namesrv",
  "grpcServerPort": $2,
  "remotingListenPort": $3$more
}
CONF
}

# A CA, and a certificate from it for the proxies; both outlive a wipe.
certificates() {
  local at=$dir/conf/tls
  [ ! -e "$at/proxy.pem" ] || return 0
  command -v openssl >/dev/null || die "openssl is not installed (it makes the certificates)"
  mkdir -p "$at"
  {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=ringback test CA" \
      -addext basicConstraints=critical,CA:TRUE -keyout "$at/ca.key" -out "$at/ca.pem"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$at/proxy.key" -out "$at/proxy.csr"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >"$at/proxy.ext"
    openssl x509 -req -in "$at/proxy.csr" -CA "$at/ca.pem" -CAkey "$at/ca.key" -CAcreateserial \
      -days 3650 -extfile "$at/proxy.ext" -out "$at/proxy.new"
  } 2>"$dir/log/openssl.out" || die "no certificates; see $dir/log/openssl.out"
  mv "$at/proxy.new" "$at/proxy.pem"
}

configure() {
  mkdir -p "$dir"/{conf,store,log,run}
  chmod 700 "$dir/conf" # with ACL on, the configuration holds the inner client's secret
  local made
  made=$(cat "$dir/store/.version" 2>/dev/null || echo "$version")
  [ "$made" = "$version" ] || die "the messages in $dir/store are of RocketMQ $made, not $version: wipe them, or set ROCKETMQ_DIR"
  echo "$version" >"$dir/store/.version"
  (umask 077; rm -f "$dir/conf/tools.yml"
    if [ -n "$acl" ]; then printf 'accessKey: admin\nsecretKey: %s\n' "$(secret admin)" >"$dir/conf/tools.yml"; fi)
  if [ -n "$tls" ]; then certificates; fi
  if [ -n "$cluster" ]; then
    broker_conf broker-a "$broker_port" "$dir/store/broker-a" >"$dir/conf/broker-a.conf"
    broker_conf broker-b "$((broker_port + 10))" "$dir/store/broker-b" >"$dir/conf/broker-b.conf"
    proxy_conf proxy-a "$grpc_port" "$remoting_port" >"$dir/conf/proxy-a.json"
    proxy_conf proxy-b "$((grpc_port + 2))" "$((remoting_port + 2))" >"$dir/conf/proxy-b.json"
  else
    broker_conf broker-a "$broker_port" "$dir/store" >"$dir/conf/broker.conf"
    proxy_conf proxy "$grpc_port" "$remoting_port" >"$dir/conf/rmq-proxy.json"
  fi
}

# jvm NAME HEAP MAIN ARGS…: starts a JVM in a session of its own, so that it outlives the shell.
jvm() {
  local name=$1 heap=$2 main=$3 home=$dir; shift 3
  # Each of several of a kind keeps its own logs.
  if [ -n "$cluster" ]; then home=$dir/home/$name; mkdir -p "$home"; fi
  ROCKETMQ_HOME=$dir setsid nohup "$java" -server "-Xms$heap" "-Xmx$heap" -XX:MaxDirectMemorySize=1g \
    "-Drocketmq.home.dir=$dir" "-Duser.home=$home" \
    --add-opens java.base/jdk.internal.ref=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED \
    --add-opens java.base/sun.nio.ch=ALL-UNNAMED --add-exports java.base/sun.nio.ch=ALL-UNNAMED \
    --add-exports java.base/jdk.internal.ref=ALL-UNNAMED \
    -cp "$lib/*" "$main" "$@" >"$dir/log/$name.out" 2>&1 </dev/null &
  local pid=$!
  # Until the shell has become the JVM, it would be taken for somebody else's process.
  until ours "$pid" || ! kill -0 "$pid" 2>/dev/null; do
    sleep 0.05
  done
  printf '%s\n' "$pid" >"$dir/run/$name.pid"
  # 5.5.0 spins one core for good after its first transaction (apache/rocketmq#10966): what else runs here
  # goes before it. A session's niceness counts beside that of its processes, where the system groups by it.
  renice -n 5 -g "$pid" >/dev/null 2>&1 || true
  { echo 5 >"/proc/$pid/autogroup"; } 2>/dev/null || true
  disown
}

start_namesrv() {
  pid_of namesrv >/dev/null && return
  listening "$namesrv_port" && die "port $namesrv_port is taken by another process (NAMESRV_PORT changes it)"
  printf 'listenPort=%s\n' "$namesrv_port" >"$dir/conf/namesrv.conf"
  jvm namesrv 128m org.apache.rocketmq.namesrv.NamesrvStartup -c "$dir/conf/namesrv.conf"
  wait_for 60 "name server on port $namesrv_port" listening "$namesrv_port"
}

# server_ready NAME
server_ready() {
  pid_of "$1" >/dev/null || die "$1 ended while starting; see $dir/log/$1.out"
  local words='rocketmq-proxy startup successfully'
  case $1 in broker-*) words='boot success' ;; esac
  grep -q "$words" "$dir/log/$1.out" && listening "$(port_of "$1")"
}

# begin NAME: starts a server without waiting for it.
begin() {
  local name=$1 port
  if pid_of "$name" >/dev/null; then return; fi
  port=$(port_of "$name")
  listening "$port" && die "port $port is taken by another process (GRPC_PORT, BROKER_PORT change it)"
  case $name in
    broker)
      jvm broker 768m org.apache.rocketmq.proxy.ProxyStartup -pm local -n "$namesrv" \
        -bc "$dir/conf/broker.conf" -pc "$dir/conf/rmq-proxy.json" ;;
    broker-*) jvm "$name" 512m org.apache.rocketmq.broker.BrokerStartup -n "$namesrv" -c "$dir/conf/$name.conf" ;;
    proxy-*) jvm "$name" 256m org.apache.rocketmq.proxy.ProxyStartup -pm cluster -n "$namesrv" -pc "$dir/conf/$name.json" ;;
  esac
}

# start_servers NAME…: of those that do not run, brokers first, because proxies ask them while starting.
start_servers() {
  local kind name
  for kind in broker proxy; do
    for name in "$@"; do if [[ $name == $kind* ]]; then begin "$name"; fi; done
    for name in "$@"; do
      if [[ $name == $kind* ]]; then wait_for 120 "$name on port $(port_of "$name")" server_ready "$name"; fi
    done
  done
}

# mqadmin exits 0 when it fails, so its words decide.
admin() {
  ROCKETMQ_HOME=$dir "$java" -Xmx128m "-Drocketmq.home.dir=$dir" "-Duser.home=$dir" -cp "$lib/*" \
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
  local mark="$dir/store/.made-$topic-$group${acl:+-acl}"
  [ -e "$mark" ] && return
  local policy='{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[10000,30000,60000,120000,180000,240000,300000,360000,420000,480000,540000,600000,1200000,1800000,3600000,7200000]}}'
  local port ports=("$broker_port")
  if [ -n "$cluster" ]; then ports+=("$((broker_port + 10))"); fi
  for port in "${ports[@]}"; do
    wait_for 60 "topic $topic" admin_says 'create topic to .* success' \
      updateTopic -b "127.0.0.1:$port" -t "$topic" -r 8 -w 8 -a '+message.type=TRANSACTION'
    wait_for 60 "group $group" admin_says 'create subscription group to .* success' \
      updateSubGroup -b "127.0.0.1:$port" -g "$group" -q 1 -r 1000 -p "$policy"
    if [ -n "$acl" ]; then user_and_rights "127.0.0.1:$port"; fi
  done
  touch "$mark"
}

# The application's user: what a notifier and an initiator need, and no more.
user_and_rights() {
  wait_for 60 "user ringback" admin_says 'create user to .* success' \
    createUser -b "$1" -u ringback -p "$(secret ringback)" -t Normal
  wait_for 60 "rights of ringback" admin_says 'create acl to .* success' \
    createAcl -b "$1" -s User:ringback -d Allow -a Pub,Sub,Get -r "Topic:$topic,Group:$group,Topic:%DLQ%$group"
}

where() {
  echo "grpc=127.0.0.1:$grpc_port${cluster:+,127.0.0.1:$((grpc_port + 2))}"
  echo "brokers=127.0.0.1:$broker_port${cluster:+,127.0.0.1:$((broker_port + 10))}"
  echo "namesrv=$namesrv"
  if [ -n "$acl" ]; then
    echo "access_key=ringback"; echo "secret_key_file=$dir/conf/secrets/ringback"
    echo "admin_access_key=admin"; echo "admin_secret_key_file=$dir/conf/secrets/admin"
  fi
  if [ -n "$tls" ]; then echo "ca_file=$dir/conf/tls/ca.pem"; fi
}

environment() {
  local name value grpc broker
  while IFS== read -r name value; do
    case $name in
      grpc) grpc=$value ;;
      brokers) broker=${value%%,*} ;;
      admin_access_key) printf 'export RINGBACK_ROCKETMQ_ACCESS_KEY=%q\n' "$value" ;;
      admin_secret_key_file) printf 'export RINGBACK_ROCKETMQ_SECRET_KEY=%q\n' "$(cat "$value")" ;;
      ca_file) printf 'export RINGBACK_ROCKETMQ_CA=%q\n' "$value" ;;
    esac
  done < <(where)
  printf 'export RINGBACK_ROCKETMQ=%q RINGBACK_ROCKETMQ_ADMIN=%q RINGBACK_ROCKETMQ_RESTART=%q\n' \
    "$grpc" "$broker" "$repo/scripts/rocketmq.sh"
}

# stop NAME SIGNAL
stop() {
  local pid
  pid=$(pid_of "$1") || { rm -f "$dir/run/$1.pid"; return 0; }
  kill "-$2" "$pid"
  local end=$((SECONDS + 30))
  # Until it is gone, not only ending: its ports are free only then.
  while kill -0 "$pid" 2>/dev/null; do
    ((SECONDS < end)) || { say "$1 ($pid) did not end in 30 s: SIGKILL"; ! ours "$pid" || kill -KILL "$pid"; break; }
    sleep 0.2
  done
  rm -f "$dir/run/$1.pid"
}

stop_all() {
  local name i
  for ((i = ${#servers[@]} - 1; i >= 0; i--)); do stop "${servers[i]}" TERM; done
  stop namesrv TERM
}

# The server that a command names, or the only one.
named() {
  local name=${1:-}
  if [ -z "$cluster" ]; then name=${name:-broker}; fi
  [[ -n $name && " ${servers[*]} " == *" $name "* ]] || die "'$name' is none of: ${servers[*]}"
  echo "$name"
}

case ${1:-help} in
  up)
    fetch; configure; start_namesrv; start_servers "${servers[@]}"; topics_and_groups
    say "RocketMQ $version is ready:"; where ;;
  down) stop_all; say "stopped; data in $dir/store" ;;
  kill9)
    name=$(named "${2:-}")
    pid_of "$name" >/dev/null || die "$name does not run"
    stop "$name" KILL; say "$name killed" ;;
  start)
    name=$(named "${2:-}")
    fetch; configure; start_namesrv; start_servers "$name"; say "$name ready on 127.0.0.1:$(port_of "$name")" ;;
  status)
    for name in namesrv "${servers[@]}"; do
      if pid=$(pid_of "$name"); then say "$name runs, pid $pid"; else say "$name does not run"; fi
    done ;;
  where) where ;;
  env) environment ;;
  admin) shift; admin "$@" ;;
  wipe) stop_all; rm -rf "$dir/store" "$dir/log" "$dir/run" "$dir/home"; say "wiped" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
