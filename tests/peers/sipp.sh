#!/usr/bin/env bash
# sipp as called party; the last digit of the dialled number picks the outcome (uas.xml).
#   sipp.sh start DIR [PORT=5070] [MEDIAPORT=20000]   |  sipp.sh stop DIR
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

case ${1:-} in
start)
  absdir "$2"
  port=${3:-5070} media=${4:-20000}
  need sipp
  free_udp "$port" "$media"
  # the sound of a key is looked up in the working folder; playing it needs root
  cp "$here/uas.xml" "$DIR/"
  cp /usr/share/sip-tester/dtmf_2833_1.pcap "$DIR/"
  # -ci: its control socket would listen on all addresses
  # -watchdog_*: it writes down that it stood still for 125 ms and more, and never ends for it
  launch sipp sipp -sf uas.xml -i 127.0.0.1 -p "$port" -bind_local -ci 127.0.0.1 -t u1 -mi 127.0.0.1 -mp "$media" \
    -watchdog_interval 50 -watchdog_minor_threshold 125 -watchdog_minor_maxtriggers 1000000 \
    -watchdog_major_maxtriggers 1000000 \
    -rtp_echo -nostdin -nd -l 5000 -buff_size 4194304 -trace_err -error_file uas_err.log -trace_stat -stf uas_stat.csv -fd 1
  wait_udp "$port" 10 sipp
  ;;
stop)
  absdir "$2"
  end sipp TERM 5
  ;;
*) usage ;;
esac
