################################################################################
#
# picoclaw-bin
#
################################################################################

PICOCLAW_BIN_VERSION = $(PICOCLAW_VERSION)
PICOCLAW_BIN_SITE = $(BR2_EXTERNAL_PICOCLAW_PATH)/../rootfs-overlay
PICOCLAW_BIN_SITE_METHOD = local
PICOCLAW_BIN_LICENSE = $(PICOCLAW_LICENSE)
PICOCLAW_BIN_CPE_ID_VENDOR = $(PICOCLAW_CPE_ID_VENDOR)
PICOCLAW_BIN_CPE_ID_PRODUCT = picoclaw
PICOCLAW_BIN_FILE = $(call qstrip,$(BR2_PACKAGE_PICOCLAW_BIN_FILE))

define PICOCLAW_BIN_INSTALL_TARGET_CMDS
	@test -f "$(PICOCLAW_BIN_FILE)" || { \
		echo "picoclaw-bin: set BR2_PACKAGE_PICOCLAW_BIN_FILE to the path of a static riscv64 picoclaw" >&2; exit 1; }
	$(INSTALL) -D -m 0755 $(PICOCLAW_BIN_FILE) $(TARGET_DIR)/usr/bin/picoclaw
	$(call PICOCLAW_INSTALL_SETTINGS,$(@D))
endef

define PICOCLAW_BIN_INSTALL_INIT_SYSV
	$(call PICOCLAW_INSTALL_SYSV,$(@D))
endef

define PICOCLAW_BIN_INSTALL_INIT_SYSTEMD
	$(call PICOCLAW_INSTALL_SYSTEMD,$(@D))
endef

PICOCLAW_BIN_USERS = $(PICOCLAW_USERS)
PICOCLAW_BIN_PERMISSIONS = $(PICOCLAW_PERMISSIONS)
PICOCLAW_BIN_LINUX_CONFIG_FIXUPS = $(PICOCLAW_LINUX_CONFIG_FIXUPS)

$(eval $(generic-package))
