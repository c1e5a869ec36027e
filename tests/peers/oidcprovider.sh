#!/bin/bash
# A foreign provider of OpenID Connect (node package `oidc-provider`), with its own pages to sign in as anybody.
#   oidcprovider.sh install   |   oidcprovider.sh start DIR PORT REDIRECT_URI   |   oidcprovider.sh stop DIR
# Client gateway, secret "a secret of the client". PEER_NODE_DIR: where npm installs.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
NODEDIR=${PEER_NODE_DIR:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/cap-alert-gateway/oidc}

install() {
  need node npm
  [ -d "$NODEDIR/node_modules/oidc-provider" ] && return 0
  mkdir -p "$NODEDIR"
  npm install --silent --no-audit --no-fund --no-package-lock --prefix "$NODEDIR" oidc-provider@8.8.1 >"$NODEDIR/npm.out" 2>&1 ||
    die "npm install oidc-provider failed: $(tail -2 "$NODEDIR/npm.out")"
}

case ${1:-} in
install) install ;;
start)
  absdir "$2"
  install
  free "$3"
  OIDC_MODULE=$NODEDIR/node_modules/oidc-provider/lib/index.js launch oidc node "$HERE/oidc-provider.mjs" "$3" "$4"
  wait_tcp "$3" 30 oidc
  ;;
stop)
  absdir "$2"
  end oidc TERM 5
  ;;
*) usage ;;
esac
