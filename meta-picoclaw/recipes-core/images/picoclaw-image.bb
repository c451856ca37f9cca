SUMMARY = "A small image with PicoClaw"
DESCRIPTION = "Boots, brings up the network, runs the assistant. What changes lies on a partition of its own; the root file system is read-only."
LICENSE = "MIT"

inherit core-image

IMAGE_FEATURES += "read-only-rootfs"
IMAGE_INSTALL = "packagegroup-core-boot picoclaw ${CORE_IMAGE_EXTRA_INSTALL}"
IMAGE_LINGUAS = ""

