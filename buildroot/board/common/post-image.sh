#!/bin/sh
# Makes images/disk.img from kernel, device tree, boot loader and root file system:
# the card of docs/image.md.
#
#   post-image.sh BINARIES_DIR BOARD     as Buildroot calls it
set -eu

images=$1 board=$2
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../../.." && pwd)
fail() { echo "post-image: $*" >&2; exit 1; }
facts=$("$tree/scripts/image/board-facts" "$board") || fail "no facts of board $board"
eval "$facts"
setting() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$BR2_CONFIG"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# --- boot partition -------------------------------------------------------

boot=$work/boot
mkdir -p "$boot/extlinux"
kernel=$images/Image
if [ -n "$(setting BR2_PICOCLAW_KERNEL)" ]; then kernel=$(setting BR2_PICOCLAW_KERNEL); fi
[ -r "$kernel" ] || fail "no kernel $kernel: set BR2_LINUX_KERNEL=y, or BR2_PICOCLAW_KERNEL"
cp "$kernel" "$boot/Image"
more=''
# An initramfs for a kernel that needs one, beside it.
if [ -r "$(dirname "$kernel")/initrd.gz" ]; then
	cp "$(dirname "$kernel")/initrd.gz" "$boot/"
	more="	initrd /initrd.gz
"
fi
if [ -n "$KERNEL_DTB" ]; then
	dtb=$images/$(basename "$KERNEL_DTB")
	[ -r "$dtb" ] || fail "no device tree $dtb: set BR2_LINUX_KERNEL_INTREE_DTS_NAME=\"${KERNEL_DTB%.dtb}\""
	cp "$dtb" "$boot/"
	more="$more	fdt /$(basename "$KERNEL_DTB")
"
fi
cat > "$boot/extlinux/extlinux.conf" <<CONF
timeout 1
default picoclaw
label picoclaw
	kernel /Image
$more	append root=$ROOT_PART ro rootwait console=$CONSOLE,$CONSOLE_BAUD $CMDLINE
CONF
raw=''
case $BOOTLOADER in
qemu-uboot) ;;
sunxi-spl)
	[ -r "$images/u-boot-sunxi-with-spl.bin" ] || fail "no u-boot-sunxi-with-spl.bin: set BR2_TARGET_UBOOT=y and its BR2_TARGET_UBOOT_FORMAT_CUSTOM_NAME"
	raw='	partition spl { in-partition-table = "false" image = "u-boot-sunxi-with-spl.bin" offset = 8K }'
	;;
fip)
	fip=$(setting BR2_PICOCLAW_FIP)
	[ -n "$fip" ] || fail "$TITLE starts from a fip.bin: set BR2_PICOCLAW_FIP to its path (docs/buildroot.md)"
	[ -r "$fip" ] || fail "no file $fip (BR2_PICOCLAW_FIP)"
	cp "$fip" "$boot/fip.bin"
	;;
*) fail "boards/$board.conf: no such BOOTLOADER: $BOOTLOADER" ;;
esac
cp "$tree/boards/common/picoclaw.json.txt" "$boot/"
: > "$boot/picoclaw.status.txt"
find "$boot" -exec touch --date="@${SOURCE_DATE_EPOCH:-0}" {} +
need=$(du -sm "$boot" | cut -f1)
[ "$need" -lt $((BOOT_MB - 4)) ] || fail "boot files take $need MB, the partition has $BOOT_MB: raise BOOT_MB in boards/$board.conf"
rm -f "$images/boot.vfat"
truncate -s "${BOOT_MB}M" "$images/boot.vfat"
mkfs.fat --invariant -n PICOCLAW -i 0c1a0001 "$images/boot.vfat" > /dev/null
(cd "$boot" && mcopy -s -m -i "$images/boot.vfat" ./* ::)

# --- data and disk --------------------------------------------------------

rm -f "$images/data.ext4"
mkdir -p "$work/data"
# shellcheck disable=SC2016 # for the inner shell
mke2fs -q -t ext4 -b 4096 -m 0 -L picoclaw-new -N 2048 -O resize_inode -E root_owner=0:0 \
	-U 00000000-0000-0000-0000-000000000003 -d "$work/data" "$images/data.ext4" "${DATA_MB}M"
awk -v raw="$raw" '/^@RAW@$/ { if (raw != "") print raw; next } /^#/ { next } { print }' \
	"$here/genimage.cfg.in" > "$work/genimage.cfg"
mkdir -p "$work/empty"
genimage --config "$work/genimage.cfg" --rootpath "$work/empty" --tmppath "$work/genimage" \
	--inputpath "$images" --outputpath "$images"
echo "post-image: $images/disk.img" >&2
