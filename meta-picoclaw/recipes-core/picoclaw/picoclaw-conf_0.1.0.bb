SUMMARY = "Configuration of PicoClaw"
DESCRIPTION = "The image's settings and configuration. To have your own, write a recipe that provides virtual-picoclaw-conf and name it in PREFERRED_RPROVIDER_virtual-picoclaw-conf."
SECTION = "net"

require picoclaw-source.inc

# Settings of the machine go into it.
PACKAGE_ARCH = "${MACHINE_ARCH}"

# Lines of /etc/default/picoclaw; empty keeps the program's default.
PICOCLAW_MEMORY_MAX ?= ""
PICOCLAW_TOOLS_MEMORY_MAX ?= ""
PICOCLAW_WATCHDOG ?= ""
PICOCLAW_WATCHDOG_TIMEOUT ?= ""

# Whose facts the hardware tools go by (a name of boards/); empty: unknown, and nothing is refused.
PICOCLAW_BOARD ?= ""

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${S}/rootfs-overlay/etc/default/picoclaw ${D}${sysconfdir}/default/picoclaw
    install -D -m 0644 ${S}/rootfs-overlay/etc/picoclaw/config.json ${D}${sysconfdir}/picoclaw/config.json
    for setting in 'MEMORY_MAX=${PICOCLAW_MEMORY_MAX}' 'TOOLS_MEMORY_MAX=${PICOCLAW_TOOLS_MEMORY_MAX}' \
        'WATCHDOG=${PICOCLAW_WATCHDOG}' 'WATCHDOG_TIMEOUT=${PICOCLAW_WATCHDOG_TIMEOUT}'; do
        case $setting in
        *=) ;;
        *) echo "PICOCLAW_$setting" >> ${D}${sysconfdir}/default/picoclaw ;;
        esac
    done
    if [ -n "${PICOCLAW_BOARD}" ]; then
        ${S}/scripts/board ${PICOCLAW_BOARD} > ${D}${sysconfdir}/picoclaw/board.conf
        chmod 0644 ${D}${sysconfdir}/picoclaw/board.conf
    fi
}

RPROVIDES:${PN} = "virtual-picoclaw-conf"
CONFFILES:${PN} = "${sysconfdir}/default/picoclaw ${sysconfdir}/picoclaw/config.json"
