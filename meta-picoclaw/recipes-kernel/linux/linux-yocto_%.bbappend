require ${@bb.utils.contains('DISTRO_FEATURES', 'picoclaw', 'linux-picoclaw.inc', '', d)}
