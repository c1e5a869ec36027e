#!/bin/bash
# Kannel and this gateway against the same SMSC (sink.c, receipts after 0.5 to 1.5 s), one after the other, alternating.
#   benchmarks/compare_kannel.sh [MESSAGES=100000] [ROUNDS=3] [OUT=compare.jsonl]
# Kannel gets a fifth of the messages (it is slower) and keeps them in its file store; the gateway keeps every step in
# PostgreSQL. One JSON object a line for each run: messages a second up to the last receipt, CPU ms per 1000 messages of
# every process. Then `python benchmarks/plot.py OUT docs/capacity-kannel.svg` draws them.
# Needs the Debian package kannel, a C compiler, curl, and the environment that `make` makes (.venv, or PYTHON=...).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
messages=${1:-100000} rounds=${2:-3} out=${3:-compare.jsonl}
python=${PYTHON:-$root/.venv/bin/python}
for program in bearerbox smsbox cc curl "$python"; do
  command -v "$program" >/dev/null || { echo "missing program $program" >&2; exit 1; }
done
work=$(mktemp -d)
sink=
finish() {
  bash "$root/tests/peers/kannel.sh" stop "$work/kannel" >/dev/null 2>&1 || true
  [ -z "$sink" ] || kill "$sink" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

cc -O2 -o "$work/sink" "$here/sink.c"
free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
start_sink() {
  "$work/sink" -d 1000 >"$work/sink.out" &
  sink=$!
  for _ in $(seq 100); do port=$(awk '/^listening/ { print $2 }' "$work/sink.out"); [ -n "$port" ] && return; sleep 0.05; done
  echo "the sink does not listen" >&2; exit 1
}
stop_sink() { kill "$sink"; wait "$sink" 2>/dev/null || true; sink=; }

for round in $(seq "$rounds"); do
  echo "round $round of $rounds: gateway, $messages messages" >&2
  start_sink
  before=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$sink/stat")
  "$python" -m gateway bench sms --json --recipients "$messages" --peer "127.0.0.1:$port" >"$work/gateway.json"
  after=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$sink/stat")
  stop_sink
  "$python" - "$work/gateway.json" "$((after - before))" "$(getconf CLK_TCK)" >>"$out" <<'X'
import json, sys
found = json.load(open(sys.argv[1]))
cpu = {name: value for name, value in found["cpu_ms_per_1000"].items() if value is not None}
cpu["sink"] = round(int(sys.argv[2]) / int(sys.argv[3]) * 1e6 / found["messages"], 2)
keys = ("messages", "seconds", "rate_per_s", "submit_rate_per_s")
print(json.dumps({"what": "gateway", **{key: found[key] for key in keys}, "cpu_ms_per_1000": cpu}))
X
  echo "round $round of $rounds: Kannel, $((messages / 5)) messages" >&2
  start_sink
  admin=$(free_port) send=$(free_port)
  PEER_KANNEL_LOG=4 bash "$root/tests/peers/kannel.sh" start "$work/kannel" "$port" "$admin" "$send" 4
  "$python" "$here/kannel_load.py" "$send" "$((messages / 5))" "bearerbox=$(cat "$work/kannel/bearerbox.pid")" \
    "smsbox=$(cat "$work/kannel/smsbox.pid")" "sink=$sink" >>"$out"
  bash "$root/tests/peers/kannel.sh" stop "$work/kannel"
  rm -rf "$work/kannel"
  stop_sink
done
cat "$out"
