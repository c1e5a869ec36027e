#!/usr/bin/env bash
# Headless Chromium on a page of this machine. Each call is one process with a profile of its own that is thrown away.
#   chromium.sh shot URL OUT.png [WIDTHxHEIGHT=1280x900]       a picture of the page
#   chromium.sh dom URL                                        the page as HTML after its scripts ran
. "$(dirname "$0")/lib.sh"

# without these it looks for hosts outside at every start
flags=(
  --headless=new --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --hide-scrollbars
  --no-first-run --no-default-browser-check --disable-background-networking --disable-component-update
  --disable-default-apps --disable-extensions --disable-sync --disable-domain-reliability --metrics-recording-only
  --no-pings --password-store=basic --use-mock-keychain
  --disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,CertificateTransparencyComponentUpdater
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
)

profile() {
  need chromium
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  flags+=("--user-data-dir=$folder" --virtual-time-budget=3000)
}

case ${1:-} in
shot)
  [ $# -ge 3 ] || usage
  profile
  size=${4:-1280x900}
  timeout 60 chromium "${flags[@]}" --window-size="${size/x/,}" --screenshot="$3" "$2" >"$folder/log" 2>&1
  [ -s "$3" ] || {
    tail -n 5 "$folder/log" >&2
    die "no picture of $2"
  }
  ;;
dom)
  [ $# -ge 2 ] || usage
  profile
  timeout 60 chromium "${flags[@]}" --dump-dom "$2" 2>/dev/null
  ;;
*) usage ;;
esac
