#!/bin/bash
# Runs one of RocketMQ's launchers (mqnamesrv, mqbroker, mqproxy) and passes SIGTERM on to its JVM: the launchers are
# shells, and as a container's first process they would ignore it, so that every stop would be a kill.
#
# A broker's name and address are not in its file, so that two brokers can share it. The address must be the number
# that connections come from: a cluster proxy drops a check-back whose broker the name server knows by a host name.
set -u

if [ "$1" = mqbroker ]; then
  read -r address _ < <(hostname -i)
  { cat /ringback/broker.conf; printf 'brokerName=%s\nbrokerIP1=%s\n' "$BROKER_NAME" "$address"; } >/tmp/broker.conf
  set -- mqbroker -c /tmp/broker.conf
fi

end_jvm() {
  for process in /proc/[0-9]*; do
    case $(readlink "$process/exe") in */java) kill -TERM "${process#/proc/}" ;; esac
  done
}
trap end_jvm TERM INT

sh "$@" &
launcher=$!
# `wait` is interrupted by the trap; the JVM's own shutdown comes after.
while :; do
  wait "$launcher"
  status=$?
  kill -0 "$launcher" 2>/dev/null || exit "$status"
done
