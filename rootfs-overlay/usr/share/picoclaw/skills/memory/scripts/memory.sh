#!/bin/sh
# Memory and disks. Reads only.
grep -E '^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapTotal|SwapFree):' /proc/meminfo
df -k
echo "resident kB, process:"
for status in /proc/[0-9]*/status; do
	awk '/^Name:/ { name = $2 } /^VmRSS:/ { print $2, name }' "$status" 2>/dev/null
done | sort -rn | head -n 10
exit 0
