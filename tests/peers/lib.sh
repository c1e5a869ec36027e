# What the scripts of all peers share. Source it; it starts nothing.
# Rules: every listener on 127.0.0.1, all state under DIR, only processes that the script itself started are ended.
set -u

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# need PROGRAM...: fail with the name of what is missing
need() {
  local program
  for program; do
    command -v "$program" >/dev/null 2>&1 || [ -x "$program" ] || die "the program $program is not here"
  done
}

# usage: the comment at the head of the calling script
usage() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
  exit 2
}

# absdir DIR: make it and set the variable DIR to its absolute path
absdir() { mkdir -p "$1" && DIR=$(cd "$1" && pwd); }

# launch NAME COMMAND...: run it in a session of its own, working folder DIR, output in DIR/NAME.out
launch() {
  local name=$1
  shift
  if alive "$name"; then die "$name already runs (process $(cat "$DIR/$name.pid"))"; fi
  (cd "$DIR" && exec setsid "$@" >"$DIR/$name.out" 2>&1 </dev/null) &
  note "$name" $!
}

# note NAME PID: remember a process by its number and start time, because numbers are used again
note() {
  echo "$2" >"$DIR/$1.pid"
  sleep 0.05
  started "$2" >"$DIR/$1.started" 2>/dev/null || true
}

started() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; }

# alive NAME: whether the process noted under this name still runs (a zombie does not)
alive() {
  local pid
  pid=$(cat "$DIR/$1.pid" 2>/dev/null) || return 1
  kill -0 "$pid" 2>/dev/null || return 1
  [ "$(started "$pid")" = "$(cat "$DIR/$1.started" 2>/dev/null)" ] || return 1
  ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

# end NAME [SIGNAL=TERM] [SECONDS=10]: end the process noted under this name, by force when it does not listen
end() {
  local name=$1 signal=${2:-TERM} seconds=${3:-10} pid turn
  if alive "$name"; then
    pid=$(cat "$DIR/$name.pid")
    kill "-$signal" "$pid" 2>/dev/null
    for ((turn = 0; turn < seconds * 20; turn++)); do
      alive "$name" || break
      sleep 0.05
    done
    if alive "$name"; then
      kill -KILL "$pid" 2>/dev/null
      echo "${0##*/}: $name had to be killed" >&2
    fi
  fi
  rm -f "$DIR/$name.pid" "$DIR/$name.started"
}

# wait_tcp PORT [SECONDS=15] [NAME]: until 127.0.0.1:PORT accepts; at once an error when process NAME has ended
wait_tcp() {
  local port=$1 seconds=${2:-15} name=${3:-} turn
  for ((turn = 0; turn < seconds * 20; turn++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
    still_there "$name"
    sleep 0.05
  done
  die "nothing listens on 127.0.0.1:$port after $seconds s"
}

# wait_udp PORT [SECONDS=15] [NAME]: until a UDP socket of this machine is bound to PORT
wait_udp() {
  local port=$1 seconds=${2:-15} name=${3:-} turn
  for ((turn = 0; turn < seconds * 20; turn++)); do
    grep -q "$(printf ':%04X ' "$port")" /proc/net/udp && return 0
    still_there "$name"
    sleep 0.05
  done
  die "no UDP socket on port $port after $seconds s"
}

still_there() {
  [ -z "$1" ] || alive "$1" && return 0
  tail -n 20 "$DIR/$1.out" >&2
  die "$1 ended while starting"
}

# free PORT..., free_udp PORT...: fail early when a port is taken, rather than talk to somebody else's daemon
free() {
  local port
  for port; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then die "port $port is taken"; fi
  done
}

free_udp() {
  local port
  for port; do
    if grep -q "$(printf ':%04X ' "$port")" /proc/net/udp; then die "UDP port $port is taken"; fi
  done
}

# tls_cert: a throw-away certificate DIR/tls.crt with key DIR/tls.key for localhost and 127.0.0.1
tls_cert() {
  need openssl
  [ -s "$DIR/tls.crt" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout "$DIR/tls.key" -out "$DIR/tls.crt" 2>/dev/null
}

# debian_mirror: the mirror that this machine's apt is set up with, read at run time
debian_mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }'
}
