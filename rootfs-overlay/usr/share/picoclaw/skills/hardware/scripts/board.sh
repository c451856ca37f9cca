#!/bin/sh
# What the kernel shows of the board. Reads only; what is not there is left out.
line() { [ -r "$2" ] && echo "$1: $(tr '\0' ' ' < "$2" 2>/dev/null | head -n 1)"; }
line model /proc/device-tree/model
line compatible /proc/device-tree/compatible
line machine /sys/class/dmi/id/product_name
echo "system: $(uname -srm)"
echo "processors: $(grep -c '^processor' /proc/cpuinfo)"
grep -m 1 -E '^(isa|model name|uarch|Hardware)' /proc/cpuinfo
line "clock in kHz" /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq
for zone in /sys/class/thermal/thermal_zone*; do
	[ -r "$zone/temp" ] && echo "temperature: $(cat "$zone/type" 2>/dev/null) $(cat "$zone/temp" 2>/dev/null) (1000 = 1 C)"
done
for disk in /sys/block/*; do
	case ${disk##*/} in loop* | ram* | zram*) continue ;; esac
	[ -r "$disk/size" ] && echo "disk: ${disk##*/} $(($(cat "$disk/size") / 2048)) MiB"
done
for kind in gpio i2c-adapter spi_master leds pwm; do
	for entry in /sys/class/"$kind"/*; do
		[ -e "$entry" ] && echo "$kind: ${entry##*/} $(cat "$entry/name" "$entry/label" 2>/dev/null | tr '\n' ' ')"
	done
done
for usb in /sys/bus/usb/devices/*; do
	[ -r "$usb/product" ] && echo "usb: $(cat "$usb/idVendor"):$(cat "$usb/idProduct") $(cat "$usb/product")"
done
exit 0
