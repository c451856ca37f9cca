#!/bin/sh
# Makes the target folder the image that docs/image.md describes, and stops the
# build when the kernel lacks something that a fragment asked for.
#
#   post-build.sh TARGET_DIR BOARD       as Buildroot calls it
set -eu

target=$1 board=$2
tree=$(cd "$(dirname "$0")/../../.." && pwd)
fragments=$(dirname "$0")/../fragments
fail() { echo "post-build: $*" >&2; exit 1; }
facts=$("$tree/scripts/image/board-facts" "$board") || fail "no facts of board $board"
eval "$facts"
setting() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$BR2_CONFIG"; }

# --- kernel ---------------------------------------------------------------

config=''
if [ "$(setting BR2_LINUX_KERNEL)" = y ]; then
	for file in "$BUILD_DIR"/linux-[0-9c]*/.config; do
		case $file in */linux-headers-*) ;; *) if [ -r "$file" ]; then config=$file; fi ;; esac
	done
	[ -n "$config" ] || fail "no configuration of the kernel in $BUILD_DIR/linux-*"
	set -- "$(dirname "$0")/linux.config"
	for name in $KERNEL_FRAGMENT; do set -- "$@" "$fragments/$name.config"; done
elif [ -n "$(setting BR2_PICOCLAW_KERNEL)" ]; then
	# A distribution's kernel: only what the assistant cannot do without.
	folder=$(dirname "$(setting BR2_PICOCLAW_KERNEL)")
	for file in "$folder"/.config "$folder"/config-*; do
		if [ -r "$file" ]; then config=$file; fi
	done
	[ -n "$config" ] || fail "no .config or config-* beside BR2_PICOCLAW_KERNEL in $folder"
	printf 'CONFIG_CGROUPS=y\nCONFIG_MEMCG=y\nCONFIG_CGROUP_PIDS=y\n' > "$BUILD_DIR/picoclaw-needs"
	set -- "$BUILD_DIR/picoclaw-needs"
else
	fail "no kernel: set BR2_LINUX_KERNEL=y, or BR2_PICOCLAW_KERNEL to one that was built elsewhere"
fi
lacks=$("$(dirname "$0")/kernel-lacks.sh" "$config" "$@")
[ -z "$lacks" ] || fail "the kernel's configuration $config is not what the fragments ask for:
$lacks
Look at BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES and at what these options depend on."

# --- modules --------------------------------------------------------------

# Only what init loads, and what that needs.
for folder in "$target"/lib/modules/*; do
	[ -s "$folder/modules.dep" ] || continue
	# shellcheck disable=SC2086 # a list
	set -- $MODULES
	for module do
		awk -F: -v m="$(echo "$module" | tr _ -)" '{
			name = $1; sub(/.*\//, "", name); sub(/\.ko.*/, "", name); gsub(/_/, "-", name)
			if (name == m) { print $1; n = split($2, d, " "); for (i = 1; i <= n; i++) print d[i] } }' \
			"$folder/modules.dep"
	done | sort -u > "$BUILD_DIR/picoclaw-modules"
	(cd "$folder" && find . -name '*.ko*' -type f | sed 's,^\./,,') | sort |
		comm -23 - "$BUILD_DIR/picoclaw-modules" | while read -r file; do rm -f "$folder/$file"; done
	find "$folder" -type d -empty -delete
	rm -f "$folder/build" "$folder/source"
	release=$(basename "$folder")
	[ -x "$HOST_DIR/sbin/depmod" ] || fail "modules of another kernel need depmod: set BR2_PACKAGE_HOST_KMOD=y"
	"$HOST_DIR/sbin/depmod" -b "$target" "$release"
done

# --- root file system -----------------------------------------------------

# The image's own init scripts do what these do: they stay where their packages put them, and rcS passes them over.
for script in S01seedrng S01syslogd S02klogd S02sysctl S10mdev S30cgroupfs2 S40network S40xtables \
	S41ifplugd S50crond S50dropbear; do
	# One of them may have the name of ours.
	if [ -e "$target/etc/init.d/$script" ] && ! [ -e "$tree/boards/common/rootfs/etc/init.d/$script" ]; then echo "$script"; fi
done > "$target/etc/init.d/replaced"
# A link in the place of a link or of an empty folder; what holds something is somebody's.
link() { # TO PATH
	path=$target/$2
	if [ -L "$path" ] || [ -f "$path" ]; then
		rm -f "$path"
	elif [ -d "$path" ]; then
		rmdir "$path" || fail "/$2 holds files, and the image has a link to $1 there: $(cd "$path" && find . -type f | head -n 3 | xargs)"
	fi
	ln -s "$1" "$path"
}
rm -f "$target/etc/fstab"
sed -i "s/@CONSOLE@/$CONSOLE/g; s/@CONSOLE_BAUD@/$CONSOLE_BAUD/g" "$target/etc/inittab"
mkdir -p "$target/boot" "$target/data" "$target/var/lib/picoclaw" "$target/etc/picoclaw"
# Buildroot's skeleton has a link here, where the image has a folder.
if [ -L "$target/var/log" ]; then rm -f "$target/var/log"; fi
mkdir -p "$target/var/log"
link /data/system/dropbear etc/dropbear
link /run/etc/resolv.conf etc/resolv.conf
link /proc/mounts etc/mtab
link ../run var/run
link ../tmp var/tmp
echo "$facts" > "$target/etc/picoclaw/board.conf"
settings=$target/etc/default/picoclaw
sed -i '/^# From boards\//,$d' "$settings"
cat >> "$settings" <<SETTINGS
# From boards/$board.conf.
PICOCLAW_SYSTEM=/data/system
PICOCLAW_BOOT=/boot
PICOCLAW_OWN_IMAGE=yes
PICOCLAW_WATCHDOG=$WATCHDOG
PICOCLAW_WATCHDOG_TIMEOUT=$WATCHDOG_TIMEOUT
PICOCLAW_TOOLS_MEMORY_MAX=$TOOLS_MEMORY_MAX
SETTINGS

# Every program of the image: BusyBox's applets, and what init scripts call besides.
for program in $(cat "$tree/boards/common/applets") sh e2fsck resize2fs tune2fs mke2fs fsck.fat picoclaw; do
	found=''
	for folder in bin sbin usr/bin usr/sbin; do
		path=$target/$folder/$program
		if [ -e "$path" ] || [ -L "$path" ]; then found=1; fi
	done
	[ -n "$found" ] || fail "the target has no $program, which the image needs: compare your configuration with configs/picoclaw_${board}_defconfig, BusyBox's with board/common/busybox.config"
done
