#!/bin/bash
# Kannel (bearerbox + smsbox) as SMPP client against any SMSC; sends by HTTP, reports by HTTP call-back.
#   kannel.sh start DIR [SMSCPORT=2775] [ADMIN=13000] [SENDSMS=13013] [BINDS=1] [tls]  |  kannel.sh stop DIR | status DIR
#   kannel.sh send DIR TO TEXT [DLRURL]        (system id gateway / secret towards the SMSC)
. "$(dirname "$0")/lib.sh"
load() { read -r SMSC ADMIN SEND BINDS TLS <"$DIR/ports"; }
case ${1:-} in
start)
  absdir "$2"; SMSC=${3:-2775} ADMIN=${4:-13000} SEND=${5:-13013} BINDS=${6:-1} TLS=${7:-}; need bearerbox smsbox; free "$ADMIN" $((ADMIN + 1)) "$SEND"
  echo "$SMSC $ADMIN $SEND $BINDS $TLS" >"$DIR/ports"; touch "$DIR/store"
  cat >"$DIR/kannel.conf" <<X
group = core
admin-port = $ADMIN
admin-interface = "127.0.0.1"
smsbox-interface = "127.0.0.1"
smsbox-port = $((ADMIN + 1))
admin-password = admin
log-file = "$DIR/bearerbox.log"
log-level = ${PEER_KANNEL_LOG:-0}
box-allow-ip = "127.0.0.1"
store-type = file
store-location = "$DIR/store"
dlr-storage = internal
sms-incoming-queue-limit = -1
sms-outgoing-queue-limit = 1000000

group = smsc
smsc = smpp
smsc-id = peer
host = 127.0.0.1
port = $SMSC
transceiver-mode = true
smsc-username = gateway
smsc-password = secret
system-type = ""
max-pending-submits = ${PEER_KANNEL_WINDOW:-100}
instances = $BINDS
enquire-link-interval = 10
reconnect-delay = 2
msg-id-type = ${PEER_KANNEL_MSGID:-0}
log-file = "$DIR/smsc.log"
log-level = ${PEER_KANNEL_LOG:-0}
$([ "$TLS" = tls ] && echo "use-ssl = true")

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = $SEND
sendsms-interface = "127.0.0.1"
log-file = "$DIR/smsbox.log"
log-level = ${PEER_KANNEL_LOG:-0}

group = sms-service
keyword = default
text = ""
max-messages = 0
omit-empty = true

group = sendsms-user
username = u
password = p
user-allow-ip = "127.0.0.1"
max-messages = 10
concatenation = true
X
  [ "${PEER_KANNEL_MSGID:-0}" = 0 ] && sed -i '/^msg-id-type/d' "$DIR/kannel.conf"
  launch bearerbox bearerbox -v 4 kannel.conf; wait_tcp $((ADMIN + 1)) 15 bearerbox
  launch smsbox smsbox -v 4 kannel.conf; wait_tcp "$SEND" 15 smsbox
  for i in $(seq 200); do curl -s "http://127.0.0.1:$ADMIN/status.txt?password=admin" | grep -q 'online' && exit 0; sleep 0.1; done
  die "no SMSC link came up on port $SMSC: $(curl -s "http://127.0.0.1:$ADMIN/status.txt?password=admin" | grep peer)" ;;
status)
  absdir "$2"; load
  curl -s "http://127.0.0.1:$ADMIN/status.txt?password=admin" ;;
send) absdir "$2"; load; curl -sG "http://127.0.0.1:$SEND/cgi-bin/sendsms" --data-urlencode username=u --data-urlencode password=p --data-urlencode from=Alert \
    --data-urlencode "to=$3" --data-urlencode "text=$4" -d charset=UTF-8 ${CODING:+-d coding=$CODING} ${5:+-d dlr-mask=31 --data-urlencode "dlr-url=$5"}; echo ;;
stop) absdir "$2"; end smsbox TERM 5; end bearerbox TERM 8 ;;
*) usage ;;
esac
