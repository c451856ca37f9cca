include $(sort $(wildcard $(BR2_EXTERNAL_PICOCLAW_PATH)/package/*/*.mk))
