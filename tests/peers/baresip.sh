#!/usr/bin/env bash
# baresip as a foreign called party: answers every call, its received (decoded) audio goes to DIR/rec/dump-*-dec.wav.
#   baresip.sh start DIR [PORT=5080] [CTRLPORT=4444] [RTPSTART=16000]   |  baresip.sh stop DIR
. "$(dirname "$0")/lib.sh"
case ${1:-} in
start)
  absdir "$2"; PORT=${3:-5080} CTRL=${4:-4444} RTP=${5:-16000}; need baresip; free "$CTRL" "$PORT"; free_udp "$PORT"; mkdir -p "$DIR/rec"
  # what it "says": a silent source; any 8 kHz mono wav may replace it before start
  [ -s "$DIR/say.wav" ] || python3 -c "import wave,sys; w=wave.open(sys.argv[1],'wb'); w.setnchannels(1); w.setsampwidth(2); w.setframerate(8000); w.writeframes(bytes(16000*60))" "$DIR/say.wav"
  cat >"$DIR/config" <<X
sip_listen 127.0.0.1:$PORT
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 50
audio_player aubridge,void
audio_source aufile,$DIR/say.wav
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_tos 184
rtp_ports $RTP-$((RTP + 199))
rtcp_mux no
jitter_buffer_delay 1-20
snd_path $DIR/rec
ctrl_tcp_listen 127.0.0.1:$CTRL
module_path $(dirname "$(ls /usr/lib/baresip/modules/g711.so /usr/lib/*/baresip/modules/g711.so 2>/dev/null | head -1)")
module g711.so
module sndfile.so
module aubridge.so
module aufile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
X
  # baresip 1.0.0 knows no catch-all account: an unknown user gets 404, so every number to be called needs a line here
  for u in ${PEER_BARESIP_USERS:-called +32470000010 +32470000011}; do echo "<sip:$u@127.0.0.1>;regint=0;answermode=auto;audio_codecs=pcma,pcmu"; done >"$DIR/accounts"; : >"$DIR/contacts"
  launch baresip baresip -f "$DIR" -v
  wait_udp "$PORT" 10 baresip; wait_tcp "$CTRL" 10 baresip ;;
stop) absdir "$2"; end baresip TERM 5 ;;
*) usage ;;
esac
