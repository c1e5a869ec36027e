#!/usr/bin/env bash
# Dovecot on loopback: IMAP with IDLE, LMTP, one account alerts@test.invalid with password imappass. Needs root (its own users).
#   dovecot.sh start DIR IMAP LMTP [tls]     tls: implicit TLS on IMAP, DIR/tls.crt is the authority
#   dovecot.sh validity DIR NUMBER           give the mailbox another UIDVALIDITY, as a restore from backup does; stopped only
#   dovecot.sh stop DIR
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin

conf() {
  cat <<EOF
base_dir = $DIR/run
state_dir = $DIR/lib
instance_name = peer-$(basename "$DIR")
log_path = $DIR/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
$1
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:$DIR/mail/%n
first_valid_uid = 1
mailbox_idle_check_interval = 1s
default_vsz_limit = 0
passdb {
  driver = passwd-file
  args = $DIR/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=$DIR/mail/%n allow_all_users=no
}
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = $2
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = $3
    ssl = yes
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $LMTP
  }
}
EOF
}

case ${1:-} in
start)
  [ $# -ge 4 ] || usage
  absdir "$2"
  IMAP=$3 LMTP=$4
  need dovecot
  [ "$(id -u)" = 0 ] || die "needs root"
  free "$IMAP" "$LMTP"
  mkdir -p "$DIR"/{run,mail,lib}
  id vmail >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin vmail
  chown -R vmail: "$DIR/mail"
  chmod 711 "$DIR"
  echo "alerts@test.invalid:{PLAIN}imappass::::" >"$DIR/users"
  if [ "${5:-}" = tls ]; then
    tls_cert
    conf "ssl = yes
ssl_cert = <$DIR/tls.crt
ssl_key = <$DIR/tls.key" 0 "$IMAP" >"$DIR/dovecot.conf"
  else
    conf "ssl = no" "$IMAP" 0 >"$DIR/dovecot.conf"
  fi
  launch dovecot dovecot -F -c "$DIR/dovecot.conf"
  wait_tcp "$IMAP" 15 dovecot
  wait_tcp "$LMTP" 15 dovecot
  ;;
validity)
  [ $# -ge 3 ] || usage
  absdir "$2"
  alive dovecot && die "stop it first"
  list=$DIR/mail/alerts/dovecot-uidlist
  sed -i "1s/V[0-9]*/V$3/" "$list" || die "no mail has come yet"
  rm -f "$DIR"/mail/alerts/dovecot.index*
  ;;
stop)
  absdir "$2"
  master=$(cat "$DIR/dovecot.pid" 2>/dev/null)
  end dovecot TERM 8
  # its children have clients of their own and notice much later: they are of its process group
  [ -z "$master" ] || kill -TERM -- "-$master" 2>/dev/null || true
  ;;
*) usage ;;
esac
