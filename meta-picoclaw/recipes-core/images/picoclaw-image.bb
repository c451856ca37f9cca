SUMMARY = "A small image with PicoClaw"
DESCRIPTION = "Boots, brings up the network, runs the assistant. Where the machine has a partition for what changes, the root file system is read-only."
LICENSE = "MIT"

inherit core-image

# Without that partition a read-only root would keep everything in RAM, and lose it.
IMAGE_FEATURES += "${@'read-only-rootfs' if d.getVar('PICOCLAW_DATA') else ''}"
IMAGE_INSTALL = "packagegroup-core-boot picoclaw ${CORE_IMAGE_EXTRA_INSTALL}"
IMAGE_LINGUAS = ""
