#!/bin/sh
# What the kernel shows of the network. Reads only; what is not there is left out.
ip addr 2>/dev/null || cat /proc/net/fib_trie 2>/dev/null
for link in /sys/class/net/*; do
	name=${link##*/}
	echo "link $name: $(cat "$link/operstate" 2>/dev/null), received $(cat "$link/statistics/rx_bytes" 2>/dev/null) sent $(cat "$link/statistics/tx_bytes" 2>/dev/null) bytes"
done
ip route 2>/dev/null || cat /proc/net/route
grep '^nameserver' /etc/resolv.conf 2>/dev/null
[ -r /proc/net/wireless ] && tail -n +3 /proc/net/wireless | while read -r name _ quality level _; do
	echo "wifi $name: quality $quality level $level"
done
exit 0
