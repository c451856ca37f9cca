#!/bin/sh
# Prints what a kernel's configuration lacks of what fragments ask for; nothing, where all of it took.
#
#   kernel-lacks.sh CONFIG FRAGMENT...
#
# An option asked for as m may be y. `# CONFIG_X is not set` is met by a line that says so or by none.
# A fragment whose name ends in -newer is passed over: not every kernel has its drivers.
set -eu

config=$1
shift
[ -r "$config" ] || { echo "kernel-lacks: no $config" >&2; exit 1; }
for fragment do
	case $fragment in *-newer.config) continue ;; esac
	while read -r line; do
		case $line in
		'# CONFIG_'*' is not set')
			option=${line#\# }
			option=${option%% *}
			if grep -q "^$option=" "$config"; then echo "$option is set"; fi
			;;
		CONFIG_*=m)
			grep -q "^${line%=m}=[my]\$" "$config" || echo "${line%=m} is missing"
			;;
		CONFIG_*)
			grep -q -x -F -e "$line" "$config" ||
				echo "$line is missing$(sed -n "s/^${line%%=*}=/, it is /p" "$config")"
			;;
		esac
	done < "$fragment"
done
