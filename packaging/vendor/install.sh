#!/bin/sh
# Lays PicoClaw over the system of a vendor's image: LicheeRV Nano, MaixCAM, NanoKVM.
#
#   ./install.sh [--force] [--root DIR]
#
# Copies the Go PicoClaw's home, if there is one, to /var/lib/picoclaw, stops it, and
# takes its place. Its files stay as they are; ./uninstall.sh gives it its place
# back. Running it again installs this version over an older one and keeps
# settings and data. --force: also on images of another layout. --root: into the
# file system below DIR; nothing is started or stopped.
#
# Order: everything is laid beside what runs; one rename (etc/init.d/S95picoclaw)
# makes the change. Power lost before it leaves the Go service as it was, after it
# this one, and S94picoclaw-go finishes the rest at the next boot.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root='' force=''
while [ $# -gt 0 ]; do
	case $1 in
	--force) force=1 ;;
	--root) root=${2%/}; shift ;;
	*) sed -n '4s/^# *//p' "$0" >&2; exit 2 ;;
	esac
	shift
done
say() { echo "picoclaw: $*"; }
fail() { echo "picoclaw: $*" >&2; exit 1; }
# step NAME: what a test cuts the power at.
step() {
	if [ "${PICOCLAW_TEST_CUT:-}" = "$1" ]; then kill -9 $$; fi
}

# --- what this is ---------------------------------------------------------

[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run this as root"
vendor=''
if [ -d "$root/kvmapp" ]; then vendor=NanoKVM
elif [ -d "$root/maixapp" ]; then vendor=MaixCAM
elif [ -e "$root/etc/init.d/S01fs" ] || [ -d "$root/mnt/system/ko" ]; then vendor='LicheeRV Nano'
fi
[ -n "$vendor" ] || [ -n "$force" ] ||
	fail "this is no LicheeRV Nano, MaixCAM or NanoKVM image (no /kvmapp, /maixapp, /etc/init.d/S01fs). With --force it is tried on any system that runs /etc/init.d/S??* at boot"
[ -e "$root/etc/init.d/rcS" ] || fail "no /etc/init.d/rcS: this system does not start services the way this script uses"
if [ -z "$root" ]; then
	[ "$(uname -m)" = "${PICOCLAW_TEST_MACHINE:-riscv64}" ] || fail "the program is for riscv64, this is $(uname -m)"
	command -v start-stop-daemon > /dev/null || fail "no start-stop-daemon: the init script needs it"
fi
[ -r "$here/picoclaw" ] || fail "no program beside this script: take the whole archive"

lib=/usr/lib/picoclaw
home=/var/lib/picoclaw
# Where the Go version keeps its home: its own variable, or root's.
go_home=''
for candidate in "${PICOCLAW_GO_HOME:-}" /root/.picoclaw; do
	if [ -z "$go_home" ] && [ -n "$candidate" ] && [ -d "$root$candidate" ]; then go_home=$candidate; fi
done

# --- room -----------------------------------------------------------------

size_kb() { du -sk "$1" 2> /dev/null | cut -f1; }
need=$(($(size_kb "$here/picoclaw") + 1024))
if [ -n "$go_home" ] && ! [ -d "$root$home" ]; then need=$((need + $(size_kb "$root$go_home"))); fi
room=$(df -kP "$root/" 2> /dev/null | awk 'NR == 2 { print $4 }')
if [ -z "$room" ]; then
	say "df does not say how much room there is; $need kB are needed"
	room=$need
fi
[ "${PICOCLAW_TEST_ROOM:-$room}" -ge "$need" ] ||
	fail "not enough room: $need kB are needed, $root/ has ${PICOCLAW_TEST_ROOM:-$room} kB. Nothing was changed"

# --- beside what runs -----------------------------------------------------

# put FILE MODE PATH: whole or not at all.
put() {
	mkdir -p "$(dirname "$root$3")"
	cp "$1" "$root$3.new"
	chmod "$2" "$root$3.new"
	sync
	mv "$root$3.new" "$root$3"
}
# keep: only where there is none, for it may have been edited.
keep() { [ -e "$root$3" ] || put "$@"; }

say "installing on ${vendor:-an unknown image}"
# user NAME HOME: with a group of its own and a number that nobody has.
user() {
	if grep -q "^$1:" "$root/etc/passwd"; then return; fi
	id=200
	while grep -q "^[^:]*:[^:]*:$id:" "$root/etc/passwd" "$root/etc/group"; do id=$((id + 1)); done
	for file in group passwd; do
		# A group may be left from an installation that was broken off.
		grep -v "^$1:" "$root/etc/$file" > "$root/etc/$file.picoclaw"
		case $file in
		group) echo "$1:x:$id:" ;;
		passwd) echo "$1:x:$id:$id:PicoClaw:$2:/bin/false" ;;
		esac >> "$root/etc/$file.picoclaw"
		chmod 0644 "$root/etc/$file.picoclaw"
		sync
		mv "$root/etc/$file.picoclaw" "$root/etc/$file"
	done
}
user picoclaw "$home"
# Whom commands run as.
user picoclaw-tool /
owner=$(awk -F: '$1 == "picoclaw" { print $3 ":" $4 }' "$root/etc/passwd")
step user

put "$here/picoclaw" 0755 "$lib/picoclaw"
put "$here/uninstall.sh" 0755 "$lib/uninstall.sh"
keep "$here/files/etc/default/picoclaw" 0644 /etc/default/picoclaw
keep "$here/files/etc/picoclaw/config.json" 0644 /etc/picoclaw/config.json
case $vendor in
MaixCAM) keep "$here/files/boards/maixcam.conf" 0644 /etc/picoclaw/board.conf ;;
?*) keep "$here/files/boards/licheerv_nano.conf" 0644 /etc/picoclaw/board.conf ;;
esac
# Buses, lines and ports for the daemon's user.
if [ -d "$root/etc/udev" ]; then
	put "$here/files/etc/udev/rules.d/60-picoclaw.rules" 0644 /etc/udev/rules.d/60-picoclaw.rules
	if [ -z "$root" ] && command -v udevadm > /dev/null; then
		if ! { udevadm control --reload && udevadm trigger; }; then say "the rules of udev hold from the next boot on"; fi
	fi
fi
mkdir -p "$root$lib/aside"
# Skills that come with the program: replaced as a whole.
rm -rf "$root/usr/share/picoclaw.new"
mkdir -p "$root/usr/share"
cp -R "$here/files/usr/share/picoclaw" "$root/usr/share/picoclaw.new"
rm -rf "$root/usr/share/picoclaw"
mv "$root/usr/share/picoclaw.new" "$root/usr/share/picoclaw"
step files

# A copy: the Go version's own files are never written to.
if ! [ -d "$root$home" ]; then
	rm -rf "$root$home.new"
	mkdir -p "$root$home.new"
	if [ -n "$go_home" ]; then
		say "copying $go_home to $home"
		for entry in "$root$go_home"/* "$root$go_home"/.security.yml; do
			case $(basename "$entry") in
			'*' | *.pid | logs) ;;
			*) if [ -e "$entry" ]; then cp -a "$entry" "$root$home.new/"; fi ;;
			esac
			step copy
		done
	fi
	mkdir -p "$root$home.new/config.d"
	# Go's files may name the old place.
	# shellcheck disable=SC2016 # for the program
	echo '{"agents": {"defaults": {"workspace": "$PICOCLAW_HOME/workspace"}}}' > "$root$home.new/config.d/20-vendor.json"
	chmod 0750 "$root$home.new"
	if [ "$(id -u)" = 0 ]; then chown -R "$owner" "$root$home.new"; fi
	sync
	mv "$root$home.new" "$root$home"
fi
step home

# --- the change -----------------------------------------------------------

rm -f "$root$lib/removed"
put "$here/files/etc/init.d/S94picoclaw-go" 0755 /etc/init.d/S94picoclaw-go
step before
put "$here/files/etc/init.d/S95picoclaw" 0755 /etc/init.d/S95picoclaw
sync
step after
# Puts the Go version's start aside, and stops it unless this is another root.
PICOCLAW_ROOT=$root PICOCLAW_LIVE=$([ -n "$root" ] || echo 1) sh "$root/etc/init.d/S94picoclaw-go" start
step aside
if [ -e "$root/etc/rc.local" ] && grep -q picoclaw "$root/etc/rc.local"; then
	say "/etc/rc.local names picoclaw too: take that line out, or two of them will answer"
fi
if [ -z "$root" ]; then
	if /etc/init.d/S95picoclaw status > /dev/null; then /etc/init.d/S95picoclaw stop; fi
	/etc/init.d/S95picoclaw start
	say "its state: PICOCLAW_HOME=$home $lib/picoclaw status"
fi
say "installed. Configuration: $home/config.json, or picoclaw.json on the boot partition"
