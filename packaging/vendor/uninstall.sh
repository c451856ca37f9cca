#!/bin/sh
# Takes PicoClaw off a vendor's image and gives the Go version its place back.
#
#   ./uninstall.sh [--purge] [--root DIR]
#
# /var/lib/picoclaw (conversations, memory) stays unless --purge says otherwise; it
# is a copy, so what the Go version knows is as old as the installation.
set -eu

root='' purge=''
while [ $# -gt 0 ]; do
	case $1 in
	--purge) purge=1 ;;
	--root) root=${2%/}; shift ;;
	*) sed -n '4s/^# *//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
step() {
	if [ "${PICOCLAW_TEST_CUT:-}" = "$1" ]; then kill -9 $$; fi
}
lib=/usr/lib/picoclaw
[ -n "$root" ] || [ "$(id -u)" = 0 ] || { echo "picoclaw: run this as root" >&2; exit 1; }
[ -d "$root$lib" ] || { echo "picoclaw: not installed" >&2; exit 1; }

if [ -z "$root" ] && [ -x /etc/init.d/S95picoclaw ]; then /etc/init.d/S95picoclaw stop || true; fi
step stopped
# From here on the Go version is meant; S94picoclaw-go finishes it, now or at the next boot.
: > "$root$lib/removed"
sync
step marked
rm -f "$root/etc/init.d/S95picoclaw"
sync
step removed
if [ -e "$root/etc/init.d/S94picoclaw-go" ]; then
	PICOCLAW_ROOT=$root PICOCLAW_LIVE=$([ -n "$root" ] || echo 1) sh "$root/etc/init.d/S94picoclaw-go" start
fi
step restored
rm -f "$root/etc/init.d/S94picoclaw-go" "$root/etc/default/picoclaw" "$root/etc/picoclaw/config.json" \
	"$root/etc/picoclaw/board.conf" "$root/etc/udev/rules.d/60-picoclaw.rules"
rmdir "$root/etc/picoclaw" "$root/etc/udev/rules.d" 2> /dev/null || true
rm -rf "$root$lib" "$root/usr/share/picoclaw" "$root/usr/share/picoclaw.new"
if [ -n "$purge" ]; then
	rm -rf "$root/var/lib/picoclaw" "$root/var/lib/picoclaw-system"
	for file in passwd group; do
		grep -v '^picoclaw\(-tool\)\{0,1\}:' "$root/etc/$file" > "$root/etc/$file.picoclaw"
		chmod 0644 "$root/etc/$file.picoclaw"
		mv "$root/etc/$file.picoclaw" "$root/etc/$file"
	done
fi
sync
echo "picoclaw: removed$([ -n "$purge" ] || echo '; /var/lib/picoclaw is still there')"
