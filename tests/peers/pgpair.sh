#!/usr/bin/env bash
# Two PostgreSQL 15 clusters on loopback, A primary and B its synchronous standby: superuser gw, trust, database gw.
#   pgpair.sh start DIR PORTA PORTB
#   pgpair.sh failover DIR     kill the primary without warning and promote the standby
#   pgpair.sh rejoin DIR       the dead one comes back as synchronous standby of the other: pg_rewind, else a base backup
#   pgpair.sh backup DIR       a base backup of the primary
#   pgpair.sh restore DIR      both end, and the primary comes back as it was in the backup, alone
#   pgpair.sh stop DIR
. "$(dirname "$0")/lib.sh"
BIN=/usr/lib/postgresql/15/bin

# the server refuses to run as root
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && setpriv --reuid postgres --regid postgres --clear-groups -- "$@")
  else
    "$@"
  fi
}

place() { echo "host=127.0.0.1 port=$1 user=gw dbname=${2:-gw}"; }
sql() { "$BIN/psql" -XAtq "$(place "$1")" -c "$2"; }

# who is who: PRIMARY and STANDBY are the folders a and b
load() {
  absdir "$1"
  read -r PORT_A PORT_B PRIMARY <"$DIR/pair"
  if [ "$PRIMARY" = a ]; then
    STANDBY=b PRIMARY_PORT=$PORT_A STANDBY_PORT=$PORT_B
  else
    STANDBY=a PRIMARY_PORT=$PORT_B STANDBY_PORT=$PORT_A
  fi
}

up() {
  as_postgres "$BIN/pg_ctl" -D "$DIR/$1" -l "$DIR/$1.log" -w -t 30 -s -o "-p $2" start >/dev/null ||
    die "cluster $1 did not start: $(tail -n 3 "$DIR/$1.log")"
  note "$1" "$(head -n 1 "$DIR/$1/postmaster.pid")"
}

settings() {
  cat <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$DIR'
wal_level = replica
wal_log_hints = on
wal_keep_size = 128MB
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 500ms
max_connections = 100
shared_buffers = 64MB
END
}

# from now on a commit is answered when the other cluster has it, too
synchronous() {
  local turn
  sql "$1" "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (a, b)'" && sql "$1" "SELECT pg_reload_conf()" >/dev/null
  for ((turn = 0; turn < 150; turn++)); do
    [ "$(sql "$1" "SELECT sync_state FROM pg_stat_replication")" = sync ] && return 0
    sleep 0.1
  done
  die "the standby did not become synchronous"
}

case ${1:-} in
start)
  need "$BIN/postgres" setpriv
  absdir "$2"
  free "$3" "$4"
  [ "$(id -u)" != 0 ] || chown postgres: "$DIR"
  as_postgres test -w "$DIR" || die "the user postgres can not write to $DIR"
  as_postgres "$BIN/initdb" -D "$DIR/a" -U gw -A trust -E UTF8 --no-locale --no-sync >"$DIR/initdb.out" 2>&1 ||
    die "initdb: $(tail -n 2 "$DIR/initdb.out")"
  settings >>"$DIR/a/postgresql.conf"
  echo "$3 $4 a" >"$DIR/pair"
  up a "$3"
  "$BIN/createdb" -h 127.0.0.1 -p "$3" -U gw gw
  as_postgres "$BIN/pg_basebackup" -d "$(place "$3" postgres) application_name=b" -D "$DIR/b" -R -X stream -C -S b \
    --no-sync -c fast || die "base backup"
  up b "$4"
  synchronous "$3"
  ;;
failover)
  load "$2"
  end "$PRIMARY" KILL
  as_postgres "$BIN/pg_ctl" -D "$DIR/$STANDBY" -w -s promote
  echo "$PORT_A $PORT_B $STANDBY" >"$DIR/pair"
  # the survivor would wait for ever for a standby that is gone
  sql "$STANDBY_PORT" "ALTER SYSTEM SET synchronous_standby_names = ''"
  sql "$STANDBY_PORT" "SELECT pg_reload_conf()" >/dev/null
  ;;
rejoin)
  load "$2"
  sql "$PRIMARY_PORT" "SELECT pg_create_physical_replication_slot('$STANDBY')" >/dev/null 2>&1 || true
  sql "$PRIMARY_PORT" CHECKPOINT
  rm -f "$DIR/$STANDBY/postmaster.pid" # a killed cluster leaves it behind
  if ! as_postgres "$BIN/pg_rewind" -D "$DIR/$STANDBY" --source-server="$(place "$PRIMARY_PORT" postgres)" --no-sync \
    >"$DIR/rewind.out" 2>&1; then
    rm -rf "${DIR:?}/$STANDBY"
    as_postgres "$BIN/pg_basebackup" -d "$(place "$PRIMARY_PORT" postgres)" -D "$DIR/$STANDBY" -X stream --no-sync \
      -c fast || die "base backup"
  fi
  # what was rewound has the primary's settings: later lines win
  printf "primary_conninfo = '%s application_name=%s'\nprimary_slot_name = '%s'\n" \
    "$(place "$PRIMARY_PORT" postgres)" "$STANDBY" "$STANDBY" |
    as_postgres tee -a "$DIR/$STANDBY/postgresql.auto.conf" >/dev/null
  as_postgres touch "$DIR/$STANDBY/standby.signal"
  up "$STANDBY" "$STANDBY_PORT"
  synchronous "$PRIMARY_PORT"
  ;;
backup)
  load "$2"
  as_postgres "$BIN/pg_basebackup" -d "$(place "$PRIMARY_PORT" postgres)" -D "$DIR/backup" -X stream --no-sync -c fast ||
    die "base backup"
  ;;
restore)
  load "$2"
  end "$PRIMARY" INT 15
  end "$STANDBY" INT 15
  rm -rf "${DIR:?}/$PRIMARY"
  as_postgres mv "$DIR/backup" "$DIR/$PRIMARY"
  printf '%s\n' "synchronous_standby_names = ''" "restore_command = 'false'" "recovery_target = 'immediate'" \
    "recovery_target_action = 'promote'" | as_postgres tee -a "$DIR/$PRIMARY/postgresql.auto.conf" >/dev/null
  as_postgres touch "$DIR/$PRIMARY/recovery.signal"
  up "$PRIMARY" "$PRIMARY_PORT"
  for ((turn = 0; turn < 300; turn++)); do
    [ "$(sql "$PRIMARY_PORT" "SELECT pg_is_in_recovery()")" = f ] && exit 0
    sleep 0.1
  done
  die "the recovery did not end"
  ;;
stop)
  absdir "$2"
  if [ -s "$DIR/pair" ]; then
    load "$2"
    end "$STANDBY" INT 15
    end "$PRIMARY" INT 15
  fi
  ;;
*) usage ;;
esac
