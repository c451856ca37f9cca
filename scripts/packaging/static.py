#!/usr/bin/env python3
"""What can be said of buildroot/ and meta-picoclaw/ without Buildroot and Yocto.

  static.py        with kconfiglib (PyPI) importable; see scripts/check-packaging
"""
import os, pathlib, re, sys, tempfile, tomllib

import kconfiglib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
complaints = []


def say(text):
    complaints.append(text)


def read(path):
    return (ROOT / path).read_text()


# What of Buildroot our Config.in leans on, for Kconfig to have something to check against.
STAND_IN = """
config BR2_riscv
	bool "riscv"
config BR2_RISCV_64
	bool "64"
config BR2_INIT_SYSTEMD
	bool "systemd"
config BR2_LINUX_KERNEL
	bool "kernel"
config BR2_PACKAGE_CGROUPFS_MOUNT
	bool "cgroup v1"
config BR2_PACKAGE_CGROUPFS_V2_MOUNT
	bool "cgroup v2"
	depends on !BR2_INIT_SYSTEMD
config BR2_PACKAGE_HOST_RUSTC
	bool "rustc"
config BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS
	bool "rust for the target"
source "$BR2_EXTERNAL_PICOCLAW_PATH/Config.in"
"""


def kconfig(*lines):
    """Our options, with these lines as the configuration."""
    os.environ["BR2_EXTERNAL_PICOCLAW_PATH"] = str(ROOT / "buildroot")
    with tempfile.TemporaryDirectory() as folder:
        top, config = pathlib.Path(folder, "Config.in"), pathlib.Path(folder, ".config")
        top.write_text(STAND_IN)
        config.write_text("".join(line + "\n" for line in lines))
        options = kconfiglib.Kconfig(str(top), warn=True, warn_to_stderr=False)
        options.warn_assign_undef = True
        options.config_prefix = ""
        for node in options.node_iter():
            pass
        text = [line for line in lines]
        for line in text:
            name, value = line.split("=", 1)
            symbol = options.syms.get(name)
            if symbol is None or not symbol.nodes:
                say(f"buildroot: no option {name}")
            else:
                symbol.set_value(value.strip('"'))
        for warning in options.warnings:
            say(f"buildroot/Config.in: {warning}")
        return {name: symbol.str_value for name, symbol in options.syms.items()}


def options():
    """The package stays in every configuration, whatever is missing; defaults are Cargo.toml's."""
    bare = kconfig("BR2_PACKAGE_PICOCLAW=y")
    if bare["BR2_PACKAGE_PICOCLAW"] != "y":
        say("buildroot: BR2_PACKAGE_PICOCLAW vanishes where Rust is missing")
    full = kconfig("BR2_PACKAGE_PICOCLAW=y", "BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS=y")
    for name in ("BR2_PACKAGE_HOST_RUSTC", "BR2_PACKAGE_CGROUPFS_V2_MOUNT", "BR2_PACKAGE_PICOCLAW_FROM_SOURCE"):
        if full[name] != "y":
            say(f"buildroot: {name} is not selected")
    prebuilt = kconfig("BR2_PACKAGE_PICOCLAW=y", "BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS=y", "BR2_PACKAGE_PICOCLAW_PREBUILT=y")
    if prebuilt["BR2_PACKAGE_HOST_RUSTC"] == "y":
        say("buildroot: the static binary needs no Rust")
    return full


def features(full):
    manifest = tomllib.loads(read("Cargo.toml"))
    # What only a desk needs is an option of the packages, off by default, and scripts/build leaves it out as well.
    default, all_of = set(manifest["features"]["default"]) - {"simulate"}, set(manifest["features"]) - {"default", "heap-profile"}
    have = {n.removeprefix("BR2_PACKAGE_PICOCLAW_").lower(): v for n, v in full.items() if n.startswith("BR2_PACKAGE_PICOCLAW_")}
    makefile = read("buildroot/package/picoclaw/picoclaw.mk")
    recipe = read("meta-picoclaw/recipes-core/picoclaw/picoclaw.inc")
    default_yocto = set(re.search(r'PACKAGECONFIG \?\?= "(.*)"', recipe)[1].split())
    if default_yocto != default:
        say(f"picoclaw.inc: PACKAGECONFIG is {sorted(default_yocto)}, Cargo.toml's default {sorted(default)}")
    for feature in sorted(all_of):
        if feature not in have:
            say(f"buildroot/package/picoclaw/Config.in: no option for the feature {feature}")
        elif (have[feature] == "y") != (feature in default):
            say(f"buildroot/package/picoclaw/Config.in: {feature} is not as in Cargo.toml by default")
        if f"$(if $(BR2_PACKAGE_PICOCLAW_{feature.upper()}),{feature})" not in makefile:
            say(f"picoclaw.mk: {feature} is not passed on")
        if f'PACKAGECONFIG[{feature}] = "--features {feature}"' not in recipe:
            say(f"picoclaw.inc: no PACKAGECONFIG for {feature}")


# The lines of Cargo.toml's profile that a route states otherwise, with the reason.
DIFFERENCES = {
    ("scripts/build", "strip"): "none, then stripped by objcopy: the symbols go into picoclaw.debug",
    ("scripts/build", "debug"): "line-tables-only, for picoclaw.debug",
    ("Yocto", "strip"): "false: do_package strips, for the -dbg package",
}


def profile():
    """One release profile on all routes; what differs is listed above and in docs/buildroot.md."""
    manifest = tomllib.loads(read("Cargo.toml"))["profile"]["release"]
    shown = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in manifest.items()}
    routes = {
        "Buildroot": read("buildroot/package/picoclaw/picoclaw.mk"),
        "scripts/build": read("scripts/build"),
        "Yocto": read("meta-picoclaw/recipes-core/picoclaw/picoclaw.inc"),
    }
    document = read("docs/buildroot.md")
    for route, text in routes.items():
        stated = {
            name.lower().replace("_", "-"): value
            for name, value in re.findall(r'CARGO_PROFILE_RELEASE_([A-Z_]+) ?= ?"?([A-Za-z0-9-]+)', text)
        }
        for key, value in stated.items():
            if (route, key) in DIFFERENCES:
                if f"`{key}`" not in document:
                    say(f"docs/buildroot.md: does not list that {route} sets {key}={value}")
            elif shown.get(key) != value:
                say(f"{route}: {key}={value}, Cargo.toml: {shown.get(key)}")
        # Buildroot's infrastructure sets all of them: ours must come after.
        for key in shown:
            if route == "Buildroot" and key not in stated:
                say(f"picoclaw.mk: CARGO_PROFILE_RELEASE_{key.upper().replace('-', '_')} is left to Buildroot")
    for (route, key), _ in DIFFERENCES.items():
        if not re.search("CARGO_PROFILE_RELEASE_" + key.upper(), routes[route]):
            say(f"{route} no longer sets {key}: take it off DIFFERENCES")


def symbols():
    """Options of the defconfigs were seen in a Buildroot by check-buildroot --record."""
    known = set(read("buildroot/symbols").split("\n"))
    fragments = {path.stem for path in (ROOT / "buildroot/board/fragments").glob("*.config")}
    for path in sorted((ROOT / "buildroot/configs").glob("*_defconfig")):
        text = path.read_text()
        for name in re.findall(r"^(?:# )?(BR2_\w+)", text, re.M):
            if name not in known:
                say(f"{path.name}: {name} was never seen in Buildroot: run check-buildroot --record")
        for value in ("BR2_RISCV_ISA_RVC=y", "BR2_TOOLCHAIN_BUILDROOT_CXX=y", "BR2_DOWNLOAD_FORCE_CHECK_HASHES=y"):
            if value not in text.split("\n"):
                say(f"{path.name}: no {value}")
        for name in re.findall(r"fragments/([\w-]+)\.config", text):
            if name not in fragments:
                say(f"{path.name}: no fragment {name}")
        for file in re.findall(r"\$\(BR2_EXTERNAL_PICOCLAW_PATH\)/([\w./-]+)", text):
            if not (ROOT / "buildroot" / file).exists():
                say(f"{path.name}: no buildroot/{file}")
        hashes = "".join(p.read_text() for p in (ROOT / "buildroot/patches").rglob("*.hash"))
        kernel = re.search(r'KERNEL_CUSTOM_VERSION_VALUE="(.*)"', text)[1]
        if f"linux-{kernel}.tar.xz" not in hashes:
            say(f"buildroot/patches: no hash of linux-{kernel}.tar.xz")
        for commit in re.findall(r"/uboot-([0-9a-f]{40})", text):
            if commit not in hashes:
                say(f"buildroot/patches: no hash of U-Boot {commit}")


def versions():
    version = tomllib.loads(read("Cargo.toml"))["package"]["version"]
    if f"PICOCLAW_VERSION = {version}\n" not in read("buildroot/package/picoclaw/picoclaw.mk"):
        say(f"picoclaw.mk: PICOCLAW_VERSION is not {version}")
    for name in ("picoclaw", "picoclaw-conf"):
        if not (ROOT / f"meta-picoclaw/recipes-core/picoclaw/{name}_{version}.bb").exists():
            say(f"meta-picoclaw: no {name}_{version}.bb")


def installed():
    """Every file of rootfs-overlay is installed on all routes; vendor images have no systemd."""
    routes = {
        "picoclaw.mk": read("buildroot/package/picoclaw/picoclaw.mk"),
        "meta-picoclaw": read("meta-picoclaw/recipes-core/picoclaw/picoclaw.inc")
        + "".join(p.read_text() for p in (ROOT / "meta-picoclaw/recipes-core/picoclaw").glob("picoclaw-conf*.bb")),
        "scripts/vendor-overlay": read("scripts/vendor-overlay"),
    }
    for path in sorted((ROOT / "rootfs-overlay").rglob("*")):
        name = str(path.relative_to(ROOT))
        if path.is_dir():
            continue
        for route, text in routes.items():
            if route == "scripts/vendor-overlay" and name.startswith("rootfs-overlay/lib/systemd/"):
                continue
            # By its own name, or with a folder that is copied as a whole.
            parts = name.split("/")
            if not any("/".join(parts[:n]) in re.findall(r"rootfs-overlay/[\w./-]*\w", text) for n in range(3, len(parts) + 1)):
                say(f"{route}: does not install {name}")


def users():
    """Every user and group of the image is made by the package too, once, as Buildroot's mkusers takes it."""
    text = re.search(r"define PICOCLAW_USERS\n(.*?)endef", read("buildroot/package/picoclaw/picoclaw.mk"), re.S)[1]
    rows = [line.split(None, 8) for line in text.strip().split("\n")]
    for row in rows:
        if len(row) != 9 or row[5] == "/":
            say(f"picoclaw.mk: mkusers does not take (9 fields, home - and not /): {' '.join(row)}")
    names = [row[0] for row in rows if row[0] != "-"]
    if len(set(names)) != len(names):
        say(f"picoclaw.mk: a user twice: {names}")
    recipe, installer = read("meta-picoclaw/recipes-core/picoclaw/picoclaw.inc"), read("packaging/vendor/install.sh")
    for line in read("boards/common/rootfs/etc/passwd").split():
        name = line.split(":")[0]
        if not name.startswith("picoclaw"):
            continue
        if name not in names:
            say(f"picoclaw.mk: no user {name}")
        if not re.search(rf"USERADD_PARAM.*\s{name}[;\"]", recipe, re.S):
            say(f"picoclaw.inc: no user {name}")
        if f"\nuser {name} " not in installer:
            say(f"packaging/vendor/install.sh: no user {name}")


def layers():
    """What yocto-check-layer asks of a layer and can be read off its files."""
    for layer in ("meta-picoclaw", "meta-picoclaw/meta-picoclaw-bsp"):
        text = read(f"{layer}/conf/layer.conf")
        if not re.search(r'LAYERSERIES_COMPAT_[\w-]+ = "wrynose"', text):
            say(f"{layer}: compatible with other series than wrynose")
        for name in ("README.md", "SECURITY.md"):
            if not (ROOT / layer / name).exists() or not read(f"{layer}/{name}").strip():
                say(f"{layer}: no {name}")
    for path in (ROOT / "meta-picoclaw/meta-picoclaw-bsp/conf/machine").glob("*.conf"):
        text = path.read_text()
        if text.index("MACHINEOVERRIDES") > text.index("\nrequire"):
            say(f"{path.name}: MACHINEOVERRIDES behind the require")
        wks = re.search(r'WKS_FILE = "(.*)"', text)[1]
        if not (ROOT / "meta-picoclaw/meta-picoclaw-bsp/files/wic" / wks).exists():
            say(f"{path.name}: no files/wic/{wks}")
    for path in (ROOT / "meta-picoclaw").rglob("*.bb*"):
        if re.search(r"AUTOREV|SRCREV = \"v", path.read_text()):
            say(f"{path.name}: a tag or AUTOREV asks the network at each parse")


features(options())
profile()
symbols()
versions()
installed()
users()
layers()
for line in complaints:
    print(f"check-packaging: {line}", file=sys.stderr)
sys.exit(1 if complaints else 0)
