# Load addresses with room for the kernel, no watchdog before Linux: boards/*.conf, as Buildroot's images have it.
FILESEXTRAPATHS:prepend:licheerv := "${THISDIR}/files:"
SRC_URI:append:licheerv = " file://licheerv.cfg"
FILESEXTRAPATHS:prepend:licheerv-dock := "${THISDIR}/files:"
SRC_URI:append:licheerv-dock = " file://licheerv-dock.cfg"
