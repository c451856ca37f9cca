# A board's choice: Cargo.toml's own profile before Buildroot's, and fixed addresses: nothing is
# relocated, so that constants stay pages of the file, which cost no memory of their own.
ifeq ($(BR2_PICOCLAW_SMALL),y)
PICOCLAW_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_PANIC=abort \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="-Crelocation-model=static"
endif

# picoclaw-bin takes over from picoclaw, which therefore comes first.
include $(BR2_EXTERNAL_PICOCLAW_PATH)/package/picoclaw/picoclaw.mk
include $(filter-out %/picoclaw.mk,$(sort $(wildcard $(BR2_EXTERNAL_PICOCLAW_PATH)/package/*/*.mk)))
