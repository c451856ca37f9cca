################################################################################
#
# picoclaw
#
################################################################################

PICOCLAW_VERSION = 0.1.0
PICOCLAW_LICENSE = MIT or Apache-2.0
PICOCLAW_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

# Source: a release tarball (its crates are in it, so nothing else is fetched);
# or the tree that this external tree is a part of.
PICOCLAW_SOURCE_URL = $(call qstrip,$(BR2_PACKAGE_PICOCLAW_SOURCE_URL))
PICOCLAW_TREE = $(if $(BR2_EXTERNAL_PICOCLAW_PATH),$(wildcard $(BR2_EXTERNAL_PICOCLAW_PATH)/../Cargo.lock))
ifeq ($(PICOCLAW_SOURCE_URL)$(PICOCLAW_TREE),$(PICOCLAW_TREE))
PICOCLAW_LOCAL = $(patsubst %/Cargo.lock,%,$(PICOCLAW_TREE))
endif
ifneq ($(PICOCLAW_LOCAL),)
PICOCLAW_SITE = $(PICOCLAW_LOCAL)
PICOCLAW_SITE_METHOD = local
PICOCLAW_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = \
	--exclude /target --exclude /output --exclude /fuzz --exclude /buildroot
else
PICOCLAW_SOURCE = picoclaw-$(PICOCLAW_VERSION)-vendored.tar.gz
PICOCLAW_SITE = $(or $(PICOCLAW_SOURCE_URL),file://$(call qstrip,$(BR2_DL_DIR))/picoclaw)
endif

# What is missing is said as soon as there is a configuration, with the option.
ifeq ($(BR2_PACKAGE_PICOCLAW),y)
ifneq ($(firstword $(sort 2026.02 $(BR2_VERSION))),2026.02)
$(error picoclaw needs Buildroot 2026.02 or newer (for Rust 1.85), this is $(BR2_VERSION))
endif
ifneq ($(BR2_RISCV_64),y)
$(error picoclaw: only 64-bit RISC-V is supported: set BR2_riscv=y and BR2_RISCV_64=y)
endif
ifeq ($(BR2_PACKAGE_PICOCLAW_PREBUILT),y)
ifeq ($(wildcard $(call qstrip,$(BR2_PACKAGE_PICOCLAW_PREBUILT_FILE))),)
$(error picoclaw: set BR2_PACKAGE_PICOCLAW_PREBUILT_FILE to the path of a static riscv64 picoclaw)
endif
ifneq ($(BR2_RISCV_ISA_RVC),y)
$(error picoclaw: the static binary uses compressed instructions: set BR2_RISCV_ISA_RVC=y)
endif
else ifneq ($(BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS),y)
ifneq ($(BR2_RISCV_ISA_RVM)$(BR2_RISCV_ISA_RVA)$(BR2_RISCV_ISA_RVF)$(BR2_RISCV_ISA_RVD),yyyy)
$(error picoclaw: Rust needs the general instruction set: set BR2_riscv_g=y)
endif
ifeq ($(BR2_TOOLCHAIN_USES_GLIBC)-$(BR2_RISCV_ISA_RVC),y-)
$(error picoclaw: Rust for glibc needs compressed instructions: set BR2_RISCV_ISA_RVC=y)
endif
ifeq ($(BR2_TOOLCHAIN_USES_MUSL)-$(BR2_INSTALL_LIBSTDCPP),y-)
$(error picoclaw: Rust for musl needs a C++ compiler: set BR2_TOOLCHAIN_BUILDROOT_CXX=y)
endif
ifeq ($(BR2_TOOLCHAIN_USES_GLIBC)$(BR2_TOOLCHAIN_USES_MUSL),)
$(error picoclaw: Rust needs glibc or musl: set BR2_TOOLCHAIN_BUILDROOT_MUSL=y and BR2_TOOLCHAIN_BUILDROOT_CXX=y)
endif
ifeq ($(BR2_TOOLCHAIN_USES_MUSL),y)
$(error picoclaw: Buildroot $(BR2_VERSION) has no Rust for riscv64 with musl: set BR2_TOOLCHAIN_BUILDROOT_GLIBC=y (configs/*_glibc_defconfig), or BR2_PACKAGE_PICOCLAW_PREBUILT=y)
endif
$(error picoclaw: Buildroot has no Rust for this build machine: set BR2_PACKAGE_PICOCLAW_PREBUILT=y)
endif
ifeq ($(PICOCLAW_LOCAL)$(PICOCLAW_SOURCE_URL)$(wildcard $(call qstrip,$(BR2_DL_DIR))/picoclaw/$(PICOCLAW_SOURCE)),)
$(error picoclaw: set BR2_PACKAGE_PICOCLAW_SOURCE_URL to where $(PICOCLAW_SOURCE) lies, or put it into $(call qstrip,$(BR2_DL_DIR))/picoclaw)
endif
endif

# Cargo.toml's [profile.release]; Buildroot's environment would take precedence.
PICOCLAW_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_PANIC=abort \
	CARGO_PROFILE_RELEASE_STRIP=true

# At fixed addresses, as scripts/build/board does it: nothing is relocated, so that constants
# stay pages of the file, which cost no memory of their own.
PICOCLAW_CARGO_ENV += \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="-Crelocation-model=static"

PICOCLAW_FEATURES = \
	$(if $(BR2_PACKAGE_PICOCLAW_TELEGRAM),telegram) \
	$(if $(BR2_PACKAGE_PICOCLAW_MAIXCAM),maixcam) \
	$(if $(BR2_PACKAGE_PICOCLAW_PICO),pico) \
	$(if $(BR2_PACKAGE_PICOCLAW_ANTHROPIC),anthropic) \
	$(if $(BR2_PACKAGE_PICOCLAW_WEB),web) \
	$(if $(BR2_PACKAGE_PICOCLAW_HEALTH),health) \
	$(if $(BR2_PACKAGE_PICOCLAW_HARDWARE),hardware) \
	$(if $(BR2_PACKAGE_PICOCLAW_MEDIA),media) \
	$(if $(BR2_PACKAGE_PICOCLAW_EMBEDDINGS),embeddings) \
	$(if $(BR2_PACKAGE_PICOCLAW_SIMULATE),simulate) \
	$(if $(BR2_PACKAGE_PICOCLAW_SMALLBUF),smallbuf)
PICOCLAW_CARGO_BUILD_OPTS = --bin picoclaw --no-default-features \
	--features "$(strip $(PICOCLAW_FEATURES))"
PICOCLAW_CARGO_INSTALL_OPTS = --no-default-features \
	--features "$(strip $(PICOCLAW_FEATURES))"

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
ifeq ($(BR2_PACKAGE_PICOCLAW_PREBUILT)-$(if $(PICOCLAW_LOCAL),y),-y)
PICOCLAW_PRE_CONFIGURE_HOOKS += PICOCLAW_VENDOR_CRATES
endif

define PICOCLAW_INSTALL_SETTINGS
	$(INSTALL) -D -m 0644 $(@D)/rootfs-overlay/etc/default/picoclaw \
		$(TARGET_DIR)/etc/default/picoclaw
	$(INSTALL) -D -m 0644 $(@D)/rootfs-overlay/etc/picoclaw/config.json \
		$(TARGET_DIR)/etc/picoclaw/config.json
	printf '\n# From the Buildroot configuration.\n%s\n%s\n%s\n' \
		PICOCLAW_MEMORY_MAX=$(call qstrip,$(BR2_PACKAGE_PICOCLAW_MEMORY_MAX)) \
		PICOCLAW_TOOLS_MEMORY_MAX=$(call qstrip,$(BR2_PACKAGE_PICOCLAW_TOOLS_MEMORY_MAX)) \
		PICOCLAW_WATCHDOG=$(call qstrip,$(BR2_PACKAGE_PICOCLAW_WATCHDOG)) \
		>> $(TARGET_DIR)/etc/default/picoclaw
	$(INSTALL) -d -m 0755 $(TARGET_DIR)/usr/sbin $(TARGET_DIR)/var/lib/picoclaw
	rm -rf $(TARGET_DIR)/usr/share/picoclaw
	$(INSTALL) -d -m 0755 $(TARGET_DIR)/usr/share
	cp -R $(@D)/rootfs-overlay/usr/share/picoclaw $(TARGET_DIR)/usr/share/picoclaw
	$(if $(BR2_PACKAGE_HAS_UDEV),$(INSTALL) -D -m 0644 \
		$(@D)/rootfs-overlay/lib/udev/rules.d/60-picoclaw.rules \
		$(TARGET_DIR)/usr/lib/udev/rules.d/60-picoclaw.rules)
	ln -sf ../bin/picoclaw $(TARGET_DIR)/usr/sbin/picoclaw-import
	ln -sf ../bin/picoclaw $(TARGET_DIR)/usr/sbin/picoclaw-growpart
endef
PICOCLAW_POST_INSTALL_TARGET_HOOKS += PICOCLAW_INSTALL_SETTINGS

define PICOCLAW_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/rootfs-overlay/etc/init.d/S95picoclaw \
		$(TARGET_DIR)/etc/init.d/S95picoclaw
endef

define PICOCLAW_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/rootfs-overlay/lib/systemd/system/picoclaw.service \
		$(TARGET_DIR)/usr/lib/systemd/system/picoclaw.service
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

ifeq ($(BR2_PACKAGE_PICOCLAW_PREBUILT),y)
define PICOCLAW_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(call qstrip,$(BR2_PACKAGE_PICOCLAW_PREBUILT_FILE)) \
		$(TARGET_DIR)/usr/bin/picoclaw
endef
$(eval $(generic-package))
else
$(eval $(cargo-package))
endif
