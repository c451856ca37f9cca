#!/usr/bin/env python3
"""scripts/image --buildroot DIR on a stand-in for a checkout: what it says, and which configuration it hands over.

The stand-in takes a defconfig as Kconfig does, drops one option, and its `make` fails or makes a disk.img as it is told."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MAKEFILE = """export BR2_VERSION := {version}
all:
	test ! -e $(O)/fail
	mkdir -p $(O)/images && if [ ! -e $(O)/nothing ]; then echo card > $(O)/images/disk.img; fi
defconfig:
	mkdir -p $(O) && grep -v BR2_DROPPED $(BR2_DEFCONFIG) > $(O)/.config
"""
bad = 0


def tree(folder, version, musl):
    for name in ("package/rustc", "bin"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(MAKEFILE.format(version=version))
    (folder / "package/pkg-cargo.mk").write_text("")
    (folder / "package/rustc/Config.in.host").write_text("# riscv64gc-unknown-linux-musl\n" if musl else "")
    # What the script asks this machine for besides make.
    for tool in "gcc g++ patch perl cpio unzip rsync bc file wget".split():
        (folder / "bin" / tool).write_text("#!/bin/sh\n")
        (folder / "bin" / tool).chmod(0o755)
    return folder


def run(folder, *words, board="qemu_riscv64"):
    path = f"{os.environ['PATH']}:{folder}/bin"
    done = subprocess.run([ROOT / "scripts/image", "--buildroot", folder, *words, board], cwd=folder.parent, text=True,
                          capture_output=True, env={**os.environ, "PATH": path, "MAKEFLAGS": ""})
    return done.returncode, done.stdout.strip(), done.stderr


def check(what, holds, detail=""):
    global bad
    if not holds:
        bad += 1
        print(f"check-packaging: image --buildroot: {what}: {detail}", file=sys.stderr)


def refuses(what, words, got):
    check(what, got[0] != 0 and not got[1] and words in got[2], got)


def main():
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work).resolve()
        new, old = tree(work / "new", "2026.08-rc1", True), tree(work / "old", "2025.11.3", False)
        lts = tree(work / "lts", "2026.02.3", False)
        config = work / "out/.config"
        # A relative output folder, from somewhere else.
        got = run(new, "--output", "out")
        check("prints the image's path", got[:2] == (0, str(work / "out/images/disk.img")), got)
        wanted = (ROOT / "buildroot/configs/picoclaw_qemu_riscv64_defconfig").read_text().splitlines()[1:]
        check("takes the board's defconfig", config.read_text().splitlines() == wanted)
        got = run(lts, "--output", "out")
        check("without Rust for musl glibc's is taken", got[0] == 0 and "BR2_TOOLCHAIN_BUILDROOT_GLIBC=y" in config.read_text(), got)
        check("and it says so", "picoclaw_qemu_riscv64_glibc_defconfig" in got[2], got)

        first, second, drops = work / "1st", work / "2nd", work / "3rd"
        first.write_text('# mine\nBR2_DL_DIR="/one"\n# BR2_LINUX_KERNEL is not set')
        second.write_text('BR2_DL_DIR="/two"\n')
        drops.write_text("BR2_DROPPED=y\n")
        got = run(new, "--output", "out", "--fragment", "1st", "--fragment", "2nd")
        lines = config.read_text().splitlines()
        check("the last line about an option holds", got[0] == 0 and lines.count('BR2_DL_DIR="/two"') == 1 and 'BR2_DL_DIR="/one"' not in lines, lines)
        check("also over the board's", "# BR2_LINUX_KERNEL is not set" in lines and "BR2_LINUX_KERNEL=y" not in lines, lines)
        refuses("a line that Buildroot drops", "BR2_DROPPED=y", run(new, "--output", "out", "--fragment", "3rd"))
        program = work / "program"
        program.write_text("")
        program.chmod(0o755)
        got = run(lts, "--output", "out", "--binary", "program")
        check("a static program needs no Rust: musl stays", got[0] == 0 and "BR2_TOOLCHAIN_BUILDROOT_MUSL=y" in config.read_text(), got)
        check("and its path is made absolute", f'BR2_PACKAGE_PICOCLAW_PREBUILT_FILE="{program}"' in config.read_text(), config.read_text())

        refuses("a folder that is no checkout", "no checkout of Buildroot", run(work))
        refuses("a release that is too old", "2025.11.3 is too old", run(old, "--output", "out"))
        refuses("a fragment that is not there", "no such file", run(new, "--fragment", "4th"))
        refuses("an overlay", "BR2_ROOTFS_OVERLAY", run(new, "--overlay", str(work)))
        refuses("an unknown board", "nosuch", run(new, board="nosuch"))
        for name, words in (("fail", "make failed in Buildroot 2026.08-rc1"), ("nothing", "no disk.img")):
            (work / "out" / name).write_text("")
            # The image of the builds before is still there when it begins.
            refuses(f"a build with {name}", words, run(new, "--output", "out"))
            (work / "out" / name).unlink()


main()
sys.exit(1 if bad else 0)
