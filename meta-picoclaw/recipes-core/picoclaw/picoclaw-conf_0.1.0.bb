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

# Where a partition for what changes is mounted; empty: /var/lib/picoclaw is kept by the root file system. Not below
# /var/lib: with a read-only root, oe-core lays a file system in RAM over it, after fstab's mounts.
PICOCLAW_DATA ?= ""

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
    if [ -n "${PICOCLAW_DATA}" ]; then
        sed -i -e 's,^PICOCLAW_HOME=.*,PICOCLAW_HOME=${PICOCLAW_DATA}/picoclaw,' \
            -e 's,^PICOCLAW_SYSTEM=.*,PICOCLAW_SYSTEM=${PICOCLAW_DATA}/system,' ${D}${sysconfdir}/default/picoclaw
        install -d ${D}${PICOCLAW_DATA}
        if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
            install -d ${D}${systemd_system_unitdir}/picoclaw.service.d
            printf '[Unit]\nRequiresMountsFor=${PICOCLAW_DATA}\n' > ${D}${systemd_system_unitdir}/picoclaw.service.d/data.conf
        fi
    fi
    if [ -n "${PICOCLAW_BOARD}" ]; then
        ${S}/scripts/image/board-facts ${PICOCLAW_BOARD} > ${D}${sysconfdir}/picoclaw/board.conf
        chmod 0644 ${D}${sysconfdir}/picoclaw/board.conf
    fi
}

FILES:${PN} += "${PICOCLAW_DATA} ${systemd_system_unitdir}"
RPROVIDES:${PN} = "virtual-picoclaw-conf"
CONFFILES:${PN} = "${sysconfdir}/default/picoclaw ${sysconfdir}/picoclaw/config.json"
