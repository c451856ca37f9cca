################################################################################
#
# picoclaw
#
################################################################################

PICOCLAW_VERSION = 0.1.0
# Of the program and of the crates that are linked into it (docs/licences.md).
PICOCLAW_LICENSE = MIT or Apache-2.0, \
	BSD-3-Clause (argh, argh_shared, subtle), \
	ISC (rustls-webpki, untrusted), \
	Apache-2.0 and ISC (ring), \
	MIT (slab, tracing, tracing-core, zmij)
PICOCLAW_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
# Not the assistant that is written in Go: its entries are not ours.
PICOCLAW_CPE_ID_VENDOR = picoclaw-rust

# The tree that this external tree is a part of; or, where the package was copied
# alone, a release tarball with its crates in it: from the download folder, or from
# BR2_PRIMARY_SITE.
PICOCLAW_TREE = $(patsubst %/Cargo.lock,%,$(wildcard $(BR2_EXTERNAL_PICOCLAW_PATH)/../Cargo.lock))
ifneq ($(PICOCLAW_TREE),)
PICOCLAW_SITE = $(PICOCLAW_TREE)
PICOCLAW_SITE_METHOD = local
PICOCLAW_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = \
	--exclude /target --exclude /output --exclude /fuzz --exclude /buildroot
else
PICOCLAW_SOURCE = picoclaw-$(PICOCLAW_VERSION)-vendored.tar.gz
PICOCLAW_SITE = file://$(call qstrip,$(BR2_DL_DIR))/picoclaw
endif

# Buildroot strips, or does not; optimisation, debug information and link-time
# optimisation are its configuration's too.
PICOCLAW_CARGO_ENV += CARGO_PROFILE_RELEASE_STRIP=none
PICOCLAW_FEATURES = $(call qstrip,$(BR2_PACKAGE_PICOCLAW_FEATURES))
PICOCLAW_CARGO_BUILD_OPTS = --bin picoclaw --no-default-features \
	--features "$(PICOCLAW_FEATURES)"
PICOCLAW_CARGO_INSTALL_OPTS = --no-default-features \
	--features "$(PICOCLAW_FEATURES)"
HOST_PICOCLAW_CARGO_BUILD_OPTS = --bin picoclaw
HOST_PICOCLAW_CARGO_INSTALL_OPTS = --bin picoclaw

# A local source comes without its crates: fetched here, from the registry or
# from what is in cargo's folder already.
define PICOCLAW_VENDOR_CRATES
	cd $(@D) && if ! grep -q -s directory .cargo/config.toml; then \
		mkdir -p .cargo $(BR_CARGO_HOME) && \
		$(TARGET_MAKE_ENV) $(PKG_COMMON_CARGO_ENV) \
			flock $(BR_CARGO_HOME)/.br-lock \
			cargo vendor --locked VENDOR > .cargo/config.toml.new && \
		mv .cargo/config.toml.new .cargo/config.toml; \
	fi
endef
ifneq ($(PICOCLAW_TREE),)
PICOCLAW_PRE_CONFIGURE_HOOKS += PICOCLAW_VENDOR_CRATES
HOST_PICOCLAW_PRE_CONFIGURE_HOOKS += PICOCLAW_VENDOR_CRATES
endif

# What follows takes the folder with the files as $(1), for picoclaw-bin.
define PICOCLAW_INSTALL_SETTINGS
	$(INSTALL) -D -m 0644 $(1)/etc/default/picoclaw \
		$(TARGET_DIR)/etc/default/picoclaw
	$(INSTALL) -D -m 0644 $(1)/etc/picoclaw/config.json \
		$(TARGET_DIR)/etc/picoclaw/config.json
	$(INSTALL) -d -m 0755 $(TARGET_DIR)/usr/sbin $(TARGET_DIR)/var/lib/picoclaw \
		$(TARGET_DIR)/usr/share/picoclaw
	cp -R $(1)/usr/share/picoclaw/. $(TARGET_DIR)/usr/share/picoclaw/
	$(if $(BR2_PACKAGE_HAS_UDEV),$(INSTALL) -D -m 0644 \
		$(1)/lib/udev/rules.d/60-picoclaw.rules \
		$(TARGET_DIR)/usr/lib/udev/rules.d/60-picoclaw.rules)
	ln -sf ../bin/picoclaw $(TARGET_DIR)/usr/sbin/picoclaw-import
	ln -sf ../bin/picoclaw $(TARGET_DIR)/usr/sbin/picoclaw-grow
endef

define PICOCLAW_INSTALL_SYSV
	$(INSTALL) -D -m 0755 $(1)/etc/init.d/S95picoclaw \
		$(TARGET_DIR)/etc/init.d/S95picoclaw
endef

define PICOCLAW_INSTALL_SYSTEMD
	$(INSTALL) -D -m 0644 $(1)/lib/systemd/system/picoclaw.service \
		$(TARGET_DIR)/usr/lib/systemd/system/picoclaw.service
endef

# An overlay that the program would complain about ends the build.
PICOCLAW_CONFIG_FILES = $(call qstrip,$(BR2_PACKAGE_PICOCLAW_CONFIG))
ifneq ($(PICOCLAW_CONFIG_FILES),)
PICOCLAW_DEPENDENCIES += host-picoclaw
endif

define PICOCLAW_INSTALL_CONFIG
	$(INSTALL) -D -m 0644 $(1) $(@D)/.overlay/config.d/$(notdir $(1))
	PICOCLAW_HOME=$(@D)/.overlay $(HOST_DIR)/bin/picoclaw config check \
		> $(@D)/.overlay/said 2>&1 || true
	! grep -F 'config.d/$(notdir $(1)):' $(@D)/.overlay/said
	$(INSTALL) -D -m 0644 $(1) $(TARGET_DIR)/etc/picoclaw/config.d/$(notdir $(1))

endef

define PICOCLAW_INSTALL_FILES
	$(call PICOCLAW_INSTALL_SETTINGS,$(@D)/rootfs-overlay)
	$(foreach file,$(PICOCLAW_CONFIG_FILES),$(call PICOCLAW_INSTALL_CONFIG,$(file)))
endef
PICOCLAW_POST_INSTALL_TARGET_HOOKS += PICOCLAW_INSTALL_FILES

define PICOCLAW_INSTALL_INIT_SYSV
	$(call PICOCLAW_INSTALL_SYSV,$(@D)/rootfs-overlay)
endef

define PICOCLAW_INSTALL_INIT_SYSTEMD
	$(call PICOCLAW_INSTALL_SYSTEMD,$(@D)/rootfs-overlay)
endef

define PICOCLAW_USERS
	picoclaw -1 picoclaw -1 * /var/lib/picoclaw - dialout,i2c,spi,gpio PicoClaw assistant
	picoclaw-tool -1 picoclaw-tool -1 * - - - commands of PicoClaw
	- -1 i2c -1 - - - - Buses on the header
	- -1 spi -1 - - - - Buses on the header
	- -1 gpio -1 - - - - Lines on the header
endef

define PICOCLAW_PERMISSIONS
	/var/lib/picoclaw d 0750 picoclaw picoclaw - - - - -
endef

# Limits on memory and processes, the sandbox of tools.
define PICOCLAW_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUPS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_MEMCG)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_PIDS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECCOMP)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECCOMP_FILTER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECURITY)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECURITY_LANDLOCK)
endef

$(eval $(cargo-package))
$(eval $(host-cargo-package))
