#!/usr/bin/env bash
# Postfix as a relay on loopback: an instance of its own, the machine's /etc/postfix is not touched, nothing leaves the machine.
#   postfix.sh start DIR PORT [sink=PORT] [lmtp=PORT] [smtps=PORT] [sasl=PORT]     postfix.sh stop DIR | queue DIR | flush DIR
# test.invalid: alerts@ and bounce@ (with anything behind a plus) go to LMTP, or without it to DIR/mail/USER/new; others 550 5.1.1 at RCPT.
# far.invalid: gone*@ 550 and busy*@ 450 at RCPT; accepted and bounced later: unknown*@ 5.1.1, full*@ 5.2.2, later*@ 4.2.2; others go to
# the sink. All else is refused at RCPT. smtps: STARTTLS on PORT and implicit TLS on that one, DIR/tls.crt is the authority.
# sasl: only authenticated clients may relay, asked of Dovecot on that port.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin

options() {
  sink=25 lmtp='' smtps='' sasl=''
  local option
  for option; do
    case $option in
    sink=* | lmtp=* | smtps=* | sasl=*) printf -v "${option%%=*}" %s "${option#*=}" ;;
    *) usage ;;
    esac
  done
}

main_cf() {
  cat <<EOF
compatibility_level = 3.6
queue_directory = $DIR/spool
data_directory = $DIR/data
maillog_file = $DIR/mail.log
maillog_file_prefixes = $DIR
myhostname = relay.test.invalid
mydomain = test.invalid
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 127.0.0.1
lmtp_bind_address = 127.0.0.1
smtp_dns_support_level = disabled
smtp_host_lookup = native
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
biff = no
recipient_delimiter = +
append_dot_mydomain = no
virtual_mailbox_domains = test.invalid
virtual_mailbox_maps = texthash:$DIR/etc/mailboxes
virtual_mailbox_base = $DIR/mail
virtual_uid_maps = static:$(id -u vmail)
virtual_gid_maps = static:$(id -g vmail)
virtual_minimum_uid = 1
virtual_transport = ${lmtp:+lmtp:inet:127.0.0.1:}${lmtp:-virtual}
relay_domains = far.invalid
transport_maps = regexp:$DIR/etc/transport
default_transport = error:5.4.4 nothing leaves this machine
relay_transport = smtp:[127.0.0.1]:$sink
minimal_backoff_time = 5s
maximal_backoff_time = 20s
queue_run_delay = 3s
bounce_queue_lifetime = 1m
maximal_queue_lifetime = 1m
smtpd_client_restrictions =
smtpd_relay_restrictions = ${sasl:+permit_sasl_authenticated, reject, }permit_mynetworks, reject_unauth_destination
smtpd_client_connection_count_limit = 0
default_process_limit = 100
message_size_limit = 20480000
EOF
  [ -z "$smtps" ] || printf '%s\n' "smtpd_tls_security_level = may" "smtpd_tls_cert_file = $DIR/tls.crt" \
    "smtpd_tls_key_file = $DIR/tls.key" "smtpd_tls_auth_only = yes"
  [ -z "$sasl" ] || printf '%s\n' "smtpd_sasl_auth_enable = yes" "smtpd_sasl_type = dovecot" \
    "smtpd_sasl_path = inet:127.0.0.1:$sasl"
}

# error: and retry: make smtpd refuse at RCPT already; a pipe accepts first and bounces later
master_cf() {
  echo "127.0.0.1:$1 inet n - n - - smtpd"
  [ -z "$smtps" ] || printf '127.0.0.1:%s inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n' "$smtps"
  cat <<'EOF'
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
unknown unix - n n - - pipe
  flags=q user=nobody argv=/bin/sh -c {echo 5.1.1 mailbox does not exist; exit 67}
full unix - n n - - pipe
  flags=q user=nobody argv=/bin/sh -c {echo 5.2.2 mailbox full; exit 69}
later unix - n n - - pipe
  flags=q user=nobody argv=/bin/sh -c {echo 4.2.2 try again later; exit 75}
showq unix n - n - - showq
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
EOF
}

start() {
  local port=$1
  need postfix
  [ "$(id -u)" = 0 ] || die "postfix can be started by root only"
  # shellcheck disable=SC2086
  free "$port" $smtps
  [ -z "$smtps" ] || tls_cert
  id vmail >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin vmail
  mkdir -p "$DIR"/{etc,spool,data,mail}
  chmod 755 "$DIR" "$DIR/spool"
  chown postfix "$DIR/data"
  chown vmail: "$DIR/mail"
  su -s /bin/sh postfix -c "test -x '$DIR/spool'" || die "the user postfix can not reach $DIR"
  main_cf >"$DIR/etc/main.cf"
  master_cf "$port" >"$DIR/etc/master.cf"
  printf 'alerts@test.invalid alerts/\nbounce@test.invalid bounce/\n' >"$DIR/etc/mailboxes"
  printf '%s\n' '/^gone.*@far\.invalid$/ error:5.1.1 mailbox does not exist' \
    '/^busy.*@far\.invalid$/ retry:4.2.2 try again later' '/^unknown.*@far\.invalid$/ unknown:' \
    '/^full.*@far\.invalid$/ full:' '/^later.*@far\.invalid$/ later:' >"$DIR/etc/transport"
  postfix -c "$DIR/etc" check >"$DIR/postfix.out" 2>&1
  postfix -c "$DIR/etc" start >>"$DIR/postfix.out" 2>&1 || {
    tail -n 5 "$DIR/postfix.out" "$DIR/mail.log" >&2
    die "postfix did not start"
  }
  wait_tcp "$port" 15
  note postfix "$(tr -d ' ' <"$DIR/spool/pid/master.pid")"
}

case ${1:-} in
start)
  [ $# -ge 3 ] || usage
  absdir "$2"
  port=$3
  shift 3
  options "$@"
  start "$port"
  ;;
queue) absdir "$2" && postqueue -c "$DIR/etc" -j ;;
flush) absdir "$2" && postqueue -c "$DIR/etc" -f ;;
stop)
  [ $# -eq 2 ] || usage
  absdir "$2"
  end postfix TERM 8
  ;;
*) usage ;;
esac
