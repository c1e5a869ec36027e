#!/bin/bash
# A foreign SMSC (node package `smpp`) with receipts and outcomes by the last digit of the number, see smsc-node.js.
#   nodesmsc.sh install   |   nodesmsc.sh start DIR [PORT=2775] [none|text|tlv|both|payload|data_sm] [tls]   |   nodesmsc.sh stop DIR
# System id gateway, password secret; one JSON line per event in DIR/smsc.out. PEER_NODE_DIR: where npm installs.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
NODEDIR=${PEER_NODE_DIR:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/cap-alert-gateway/node}

install() {
  need node npm
  [ -d "$NODEDIR/node_modules/smpp" ] && return 0
  mkdir -p "$NODEDIR"
  npm install --silent --no-audit --no-fund --no-package-lock --prefix "$NODEDIR" smpp@0.5.1 >"$NODEDIR/npm.out" 2>&1 ||
    die "npm install smpp failed: $(tail -2 "$NODEDIR/npm.out")"
}

case ${1:-} in
install) install ;;
start)
  absdir "$2"
  PORT=${3:-2775} MODE=${4:-both} TLS=${5:-}
  install
  free "$PORT"
  set --
  [ "$TLS" = tls ] && { tls_cert; set -- "$DIR/tls.key" "$DIR/tls.crt"; }
  NODE_PATH=$NODEDIR/node_modules launch smsc node "$HERE/smsc-node.js" "$PORT" "$MODE" "$@"
  wait_tcp "$PORT" 20 smsc
  ;;
stop)
  absdir "$2"
  end smsc TERM 5
  ;;
*) usage ;;
esac
