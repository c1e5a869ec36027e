#!/usr/bin/env bash
# Prometheus, scraping /metrics of 127.0.0.1:TARGET every second as the job "gateway", with rule files.
#   prometheus.sh start DIR TARGETPORT PORT [RULEFILE...]      promtool checks configuration and rules first
#   prometheus.sh stop DIR
. "$(dirname "$0")/lib.sh"

configure() {
  local rules
  {
    printf 'global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n'
    printf 'scrape_configs:\n  - job_name: gateway\n    static_configs:\n      - targets: ["127.0.0.1:%s"]\n' "$1"
    shift
    [ $# -eq 0 ] || printf 'rule_files:\n'
    for rules; do printf '  - %s\n' "$(realpath "$rules")"; done
  } >"$DIR/prometheus.yml"
  promtool check config "$DIR/prometheus.yml" >"$DIR/promtool.out" 2>&1 || {
    cat "$DIR/promtool.out" >&2
    die "promtool refuses the configuration or a rule file"
  }
}

case ${1:-} in
start)
  [ $# -ge 4 ] || usage
  absdir "$2"
  target=$3 port=$4
  shift 4
  need prometheus promtool curl
  free "$port"
  configure "$target" "$@"
  launch prometheus prometheus --config.file="$DIR/prometheus.yml" --storage.tsdb.path="$DIR/data" \
    --web.listen-address="127.0.0.1:$port" --log.level=warn
  for ((turn = 0; turn < 300; turn++)); do
    curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null && exit 0
    still_there prometheus
    sleep 0.1
  done
  die "not ready after 30 s"
  ;;
stop)
  absdir "$2"
  end prometheus TERM 10
  ;;
*) usage ;;
esac
