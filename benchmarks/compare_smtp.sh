#!/bin/bash
# smtp-source, aiosmtplib and this gateway against the same smtp-sink, one after the other, alternating; then the last two
# over TLS, which stunnel ends in front of the sink.
#   benchmarks/compare_smtp.sh [MESSAGES=100000] [ROUNDS=3] [OUT=compare-smtp.jsonl]
# aiosmtplib gets a tenth of the messages (it is slower). The gateway keeps every step in PostgreSQL, the others keep
# nothing. One JSON object a line for each run: messages a second, CPU ms per 1000 messages of every process. Then
# `python benchmarks/plot.py OUT docs/capacity-smtp.svg` draws them. CONNECTIONS and BYTES (of a mail) may be set.
# Needs the Debian packages postfix (for smtp-source and smtp-sink; no Postfix runs) and stunnel4, openssl, the environment
# that `make` makes (.venv, or PYTHON=...) and, for aiosmtplib, `.venv/bin/pip install aiosmtplib`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
messages=${1:-100000} rounds=${2:-3} out=${3:-compare-smtp.jsonl}
connections=${CONNECTIONS:-50} bytes=${BYTES:-7300}
python=${PYTHON:-$root/.venv/bin/python}
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
for program in smtp-sink smtp-source stunnel4 openssl "$python"; do
  command -v "$program" >/dev/null || { echo "missing program $program" >&2; exit 1; }
done
"$python" -c 'import aiosmtplib' 2>/dev/null || { echo "missing aiosmtplib: $python -m pip install aiosmtplib" >&2; exit 1; }
work=$(mktemp -d)
sink= front=
finish() {
  for pid in $sink $front; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listens() {
  for _ in $(seq 100); do (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.05; done
  echo "nothing listens on $1" >&2; exit 1
}
cpu() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

account=()
[ "$(id -u)" != 0 ] || account=(-u nobody)
port=$(free_port) tls_port=$(free_port)
smtp-sink "${account[@]}" -m 2000 "127.0.0.1:$port" 1024 2>"$work/sink.log" &
sink=$!
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/ca.pem" 2>/dev/null
cat >"$work/stunnel.conf" <<X
foreground = yes
pid =
debug = 3
[smtps]
accept = 127.0.0.1:$tls_port
connect = 127.0.0.1:$port
cert = $work/ca.pem
key = $work/key.pem
X
stunnel4 "$work/stunnel.conf" 2>"$work/stunnel.log" &
front=$!
listens "$port"
listens "$tls_port"

# gateway NAME PORT OPTION...: one run, and what it cost the sink and stunnel
gateway() {
  local name=$1 to=$2 before_sink before_front
  shift 2
  before_sink=$(cpu "$sink") before_front=$(cpu "$front")
  "$python" -m gateway bench email --json --recipients "$messages" --connections "$connections" --peer "127.0.0.1:$to" "$@" \
    >"$work/gateway.json"
  "$python" - "$name" "$work/gateway.json" "$(($(cpu "$sink") - before_sink))" "$(($(cpu "$front") - before_front))" \
    "$(getconf CLK_TCK)" >>"$out" <<'X'
import json, sys
name, file, sink, front, ticks = sys.argv[1:]
found = json.load(open(file))
cpu = {name: value for name, value in found["cpu_ms_per_1000"].items() if value is not None}
cpu["sink"] = round(int(sink) / int(ticks) * 1e6 / found["messages"], 2)
if int(front):
    cpu["stunnel"] = round(int(front) / int(ticks) * 1e6 / found["messages"], 2)
keys = ("messages", "seconds", "rate_per_s")
print(json.dumps({"what": name, **{key: found[key] for key in keys}, "cpu_ms_per_1000": cpu}))
X
}
other() { "$python" "$here/smtp_load.py" "$@" >>"$out"; }
few=$((messages / 10 > 0 ? messages / 10 : 1))

for round in $(seq "$rounds"); do
  echo "round $round of $rounds: gateway" >&2
  gateway gateway "$port"
  echo "round $round of $rounds: smtp-source" >&2
  other smtp-source "$port" "$messages" "$connections" "$bytes" "sink=$sink"
  echo "round $round of $rounds: aiosmtplib" >&2
  other aiosmtplib "$port" "$few" "$connections" "$bytes" "sink=$sink"
  echo "round $round of $rounds: gateway, TLS" >&2
  gateway "gateway TLS" "$tls_port" --tls-ca "$work/ca.pem"
  echo "round $round of $rounds: aiosmtplib, TLS" >&2
  other aiosmtplib "$tls_port" "$few" "$connections" "$bytes" --ca "$work/ca.pem" "sink=$sink" "stunnel=$front"
done
cat "$out"
