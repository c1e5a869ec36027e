#!/usr/bin/env bash
# smtp-sink of Debian's postfix package: takes mail and drops it, or keeps it in DIR/dump.
#   smtpsink.sh start DIR PORT [OPTION...]    e.g. -d DIR/dump/%M. (keep), -f RCPT (5xx), -r RCPT (4xx), -q . (hang up), -p (no PIPELINING)
#   smtpsink.sh stop DIR
. "$(dirname "$0")/lib.sh"

case ${1:-} in
start)
  [ $# -ge 3 ] || usage
  absdir "$2"
  port=$3
  shift 3
  need smtp-sink
  free "$port"
  mkdir -p "$DIR/dump"
  chmod 755 "$DIR"
  chmod 777 "$DIR/dump"
  user=()
  [ "$(id -u)" = 0 ] && user=(-u nobody)
  launch sink smtp-sink "${user[@]}" -m 2000 "$@" "127.0.0.1:$port" 1024
  wait_tcp "$port" 10 sink
  ;;
stop)
  [ $# -eq 2 ] || usage
  absdir "$2"
  end sink TERM 5
  ;;
*) usage ;;
esac
