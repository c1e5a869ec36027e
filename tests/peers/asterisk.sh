#!/usr/bin/env bash
# Asterisk 16 (Debian bullseye) as SIP trunk and ARI server, run from a folder without chroot, root or systemd.
#   asterisk.sh fetch      make the program folder only ($PEER_AST_ROOT, default /var/tmp/peer-asterisk; PEER_AST_FETCH=debootstrap for a full system)
#   asterisk.sh start DIR [SIPPORT=5060] [HTTPPORT=8088] [CALLEDPORT=5070] [RTPSTART=12000]
#   asterisk.sh stop DIR | cli DIR COMMAND...
# User gw / password gwpass: SIP digest from 127.0.0.1 (From user free) and ARI. From 127.0.0.2: trunk by IP, no digest.
# Dialplan: 7xxx.. answers itself (prompt, one key, records); anything else goes to 127.0.0.1:CALLEDPORT (sipp, baresip).
# Context people, for ARI by Local/NUMBER@people: a machine talks, gives a tone and records; a person says a word.
. "$(dirname "$0")/lib.sh"
ROOT=${PEER_AST_ROOT:-/var/tmp/peer-asterisk}

fetch() {
  [ -x "$ROOT/usr/sbin/asterisk" ] && return 0
  local mirror; mirror=$(debian_mirror); [ -n "$mirror" ] || die "no Debian mirror in this machine's apt sources"
  if [ "${PEER_AST_FETCH:-apt}" = debootstrap ]; then
    need debootstrap
    debootstrap --variant=minbase --include=asterisk bullseye "$ROOT" "$mirror" >"$ROOT.log" 2>&1 || { tail -3 "$ROOT.log" >&2; die debootstrap failed; }
    umount "$ROOT/proc" "$ROOT/sys" 2>/dev/null  # debootstrap may leave /proc mounted in it: an rm -rf would walk into it
    return 0
  fi
  # faster: only the dependency closure of asterisk, unpacked and not configured
  local a=$ROOT.apt; rm -rf --one-file-system "$a" "$ROOT.part"; mkdir -p "$a/lists/partial" "$a/archives/partial" "$ROOT.part"; : >"$a/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" >"$a/list"
  local o=(-qq -o "Dir::State::lists=$a/lists" -o "Dir::Cache::archives=$a/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
    -o "Dir::State::status=$a/status" -o "Dir::Etc::sourcelist=$a/list" -o Dir::Etc::sourceparts=/dev/null
    -o APT::Sandbox::User=root -o Acquire::Languages=none)
  { apt-get "${o[@]}" update && apt-get "${o[@]}" install -y --no-install-recommends --download-only asterisk; } >"$ROOT.log" 2>&1 ||
    { tail -3 "$ROOT.log" >&2; die "apt could not fetch bullseye's asterisk"; }
  local d; for d in "$a"/archives/*.deb; do dpkg-deb -x "$d" "$ROOT.part" || die "unpack $d"; done
  mv -T "$ROOT.part" "$ROOT"; rm -rf "$a" "$ROOT.log"  # the folder appears whole or not at all
}
ast() { # runs bullseye's asterisk with bullseye's loader and libraries
  local ld; ld=$(ls "$ROOT"/lib/x86_64-linux-gnu/ld-2.*.so | head -1)
  echo "$ld" --library-path "$ROOT/lib/x86_64-linux-gnu:$ROOT/usr/lib/x86_64-linux-gnu:$ROOT/usr/lib" "$ROOT/usr/sbin/asterisk" -C "$DIR/etc/asterisk.conf"
}
conf() {
  mkdir -p "$DIR"/{etc,lib,spool/recording,run,log,rec,sounds,cache}
  cat >"$DIR/etc/asterisk.conf" <<X
[directories]
astetcdir => $DIR/etc
astmoddir => $ROOT/usr/lib/asterisk/modules
astvarlibdir => $DIR/lib
astdbdir => $DIR/lib
astkeydir => $DIR/lib
astdatadir => $ROOT/usr/share/asterisk
astagidir => $DIR/lib
astspooldir => $DIR/spool
astrundir => $DIR/run
astlogdir => $DIR/log
astcachedir => $DIR/cache
astsbindir => $ROOT/usr/sbin
[options]
defaultlanguage = en
; telephones send silence, too
transmit_silence = yes
X
  # autoload=no: the default loads chan_iax2, chan_skinny, unistim, mgcp, dundi..., which listen on 0.0.0.0
  { echo "[modules]"; echo "autoload=no"
    for m in res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd res_pjproject res_pjsip res_pjsip_session res_pjsip_pubsub res_pjsip_sdp_rtp \
      res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user \
      res_pjsip_endpoint_identifier_anonymous res_pjsip_caller_id res_pjsip_nat res_pjsip_rfc3326 res_pjsip_dtmf_info res_pjsip_logger \
      res_pjsip_header_funcs res_pjsip_empty_info res_pjsip_dlg_options res_pjsip_acl res_rtp_asterisk chan_pjsip pbx_config app_dial app_playback app_read \
      app_mixmonitor app_record app_verbose app_userevent app_stasis app_senddtmf app_echo func_channel func_callerid func_env func_strings func_hangupcause func_logic func_timeout func_talkdetect \
      bridge_simple bridge_softmix bridge_holding bridge_builtin_features codec_alaw codec_ulaw codec_a_mu codec_gsm codec_resample format_wav format_pcm format_gsm format_sln \
      res_http_websocket res_stasis res_stasis_answer res_stasis_playback res_stasis_recording res_stasis_snoop res_stasis_device_state res_ari_model res_ari \
      res_ari_applications res_ari_asterisk res_ari_bridges res_ari_channels res_ari_device_states res_ari_endpoints res_ari_events res_ari_playbacks res_ari_recordings res_ari_sounds
    do [ -e "$ROOT/usr/lib/asterisk/modules/$m.so" ] && echo "load=$m.so"; done; } >"$DIR/etc/modules.conf"
  printf '[general]\n[logfiles]\nfull => notice,warning,error,verbose\n' >"$DIR/etc/logger.conf"
  printf '[general]\nrtpstart=%s\nrtpend=%s\nstrictrtp=no\n' "$RTP" $((RTP + 199)) >"$DIR/etc/rtp.conf"
  printf '[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport=%s\n' "$HTTP" >"$DIR/etc/http.conf"
  printf '[general]\nenabled=yes\n[gw]\ntype=user\nread_only=no\npassword=gwpass\n' >"$DIR/etc/ari.conf"
  for f in stasis ccss features cel cdr udptl indications codecs musiconhold confbridge manager pjproject pjsip_notify; do [ -e "$DIR/etc/$f.conf" ] || printf '[general]\n' >"$DIR/etc/$f.conf"; done
  printf '[general]\nenabled=no\n' >"$DIR/etc/manager.conf"; printf '[startup]\nlog_level=default\n' >"$DIR/etc/pjproject.conf"; : >"$DIR/etc/features.conf"
  printf '[general]\ncountry=us\n[us]\ndescription=us\nringcadence=2000,4000\ndial=350+440\nbusy=480+620/500,0/500\nring=440+480/2000,0/4000\ncongestion=480+620/250,0/250\n' >"$DIR/etc/indications.conf"
  cat >"$DIR/etc/pjsip.conf" <<X
[global]
type=global
endpoint_identifier_order=ip,auth_username,username,anonymous
[udp]
type=transport
protocol=udp
bind=127.0.0.1:$SIP
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:$SIP
[media](!)
type=endpoint
transport=udp
disallow=all
allow=alaw,ulaw
direct_media=no
rtp_symmetric=yes
media_address=127.0.0.1
bind_rtp_to_media_address=yes
send_pai=yes
trust_id_inbound=yes
dtmf_mode=auto_info
language=en
[gw](media)
context=from-gw
auth=gw
identify_by=auth_username,username
[gw]
type=auth
auth_type=userpass
username=gw
password=gwpass
[gwip](media)
context=from-gw
identify_by=ip
[gwip]
type=identify
endpoint=gwip
match=127.0.0.2
[called](media)
context=hangup
aors=called
[called]
type=aor
contact=sip:127.0.0.1:$CALLED
X
  cat >"$DIR/etc/extensions.conf" <<X
[general]
static=yes
[hangup]
[from-gw]
; 7xxx: answers itself: prompt, one key, keeps recording what the caller sends until hangup
exten => _7X.,1,Answer()
 same => n,MixMonitor($DIR/rec/mix-\${UNIQUEID}.wav,r($DIR/rec/in-\${UNIQUEID}.wav)t($DIR/rec/out-\${UNIQUEID}.wav))
 same => n,Playback($DIR/sounds/prompt)
 same => n,Read(KEY,,1,,1,\${IVRWAIT})
 same => n,Set(FILE($DIR/rec/ivr.log,,,al)=\${UNIQUEID} from=\${CALLERID(num)} to=\${EXTEN} key=\${KEY} callid=\${CHANNEL(pjsip,call-id)})
 same => n,Wait(600)
; 6xxx: answers and plays the caller's audio back
exten => _6X.,1,Answer()
 same => n,Echo()
; everything else goes to the called party; its cause comes back as the SIP code
exten => _[+0-9].,1,Dial(PJSIP/\${EXTEN}@called,30)
 same => n,Hangup(\${HANGUPCAUSE})
[people]
exten => machine,1,Answer()
 same => n,Playback($DIR/sounds/greeting)
 same => n,Record($DIR/rec/machine-\${UNIQUEID}.wav,0,60,qk)
exten => person,1,Answer()
 same => n,Wait(0.5)
 same => n,Playback($DIR/sounds/hello)
 same => n,Record($DIR/rec/person-\${UNIQUEID}.wav,0,60,qk)
[globals]
IVRWAIT=8
X
  [ -e "$DIR/rec/ivr.log" ] || echo "; uniqueid from to key callid" >"$DIR/rec/ivr.log"  # FILE(,,,a) does not create it
  [ -s "$DIR/sounds/prompt.wav" ] || {
    need sox
    if command -v espeak-ng >/dev/null; then espeak-ng -v en -w "$DIR/sounds/p.wav" "This is a test alert. Press one to confirm." && sox "$DIR/sounds/p.wav" -r 8000 -c 1 -b 16 "$DIR/sounds/prompt.wav" && rm "$DIR/sounds/p.wav"
    else sox -n -r 8000 -c 1 -b 16 "$DIR/sounds/prompt.wav" synth 2 sine 440 vol 0.5; fi; }
  # who talks for four seconds is a machine, who says a word is a person
  [ -s "$DIR/sounds/hello.wav" ] || {
    sox -n -r 8000 -c 1 -b 16 "$DIR/sounds/greeting.wav" synth 4 sine 300 vol 0.5
    sox -n -r 8000 -c 1 -b 16 "$DIR/sounds/hello.wav" synth 0.5 sine 300 vol 0.5; }
}
case ${1:-} in
fetch) fetch ;;
start)
  absdir "$2"; SIP=${3:-5060} HTTP=${4:-8088} CALLED=${5:-5070} RTP=${6:-12000}
  fetch; free "$HTTP" "$SIP"; free_udp "$SIP"; conf; echo "$ROOT" >"$DIR/root"
  launch asterisk $(ast) -f -q
  wait_tcp "$HTTP" 20 asterisk; wait_udp "$SIP" 20 asterisk
  for i in $(seq 200); do curl -sf -u gw:gwpass "http://127.0.0.1:$HTTP/ari/asterisk/info?only=status" >/dev/null && break; sleep 0.05; [ "$i" = 200 ] && die "ARI does not answer"; done
  # a missing dependency only "declines" a module and Asterisk still says Ready
  $(ast) -rx 'core show channeltype PJSIP' | grep -q 'Device State' || { grep -E 'ERROR' "$DIR/log/full" >&2; die "chan_pjsip did not load"; } ;;
cli) absdir "$2"; ROOT=$(cat "$DIR/root"); shift 2; $(ast) -rx "$*" ;;
stop) # an orderly stop took 16 s here after ARI use, so: hang up (closes the recordings), then KILL
  absdir "$2"; ROOT=$(cat "$DIR/root" 2>/dev/null)
  alive asterisk && { timeout 3 $(ast) -rx 'channel request hangup all' >/dev/null 2>&1; sleep 0.3; }
  end asterisk KILL 3 ;;
*) usage ;;
esac
