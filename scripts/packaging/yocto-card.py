#!/usr/bin/env python3
"""A card of Yocto's wic, made of stand-ins: are its partitions what the image relies on?

  yocto-card.py WIC VARIABLES FSTAB CONF WORK

WIC is the program; VARIABLES what `bitbake -e picoclaw-image` printed for a machine;
FSTAB oe-core's; CONF the folder that picoclaw-conf installed. Kernel and boot loader
are files that hold their own name. Prints one line about the card.
"""
import os, pathlib, re, shutil, struct, subprocess, sys

SPL = "u-boot-sunxi-with-spl.bin"
MIB = 1 << 20


def check(condition, text):
    if not condition:
        sys.exit(f"yocto-card: {text}")


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    check(done.returncode == 0, " ".join(map(str, arguments)) + "\n" + done.stdout + done.stderr)
    return done.stdout


def variables(path):
    """Assignments of `bitbake -e`, with one line each."""
    return {m[1]: m[2] for m in re.finditer(r'^(?:export )?([A-Z][A-Z0-9_]*)="(.*)"$', path.read_text(errors="replace"), re.M)}


def make(wic, v, fstab, conf, work):
    """Runs wic as oe-core's image class does; returns the card's path."""
    root, deploy, tools = work / "root", work / "deploy", work / "tools"
    shutil.copytree(conf, root, symlinks=True)
    for name in ("boot", "proc", "sys", "dev"):
        (root / name).mkdir()
    shutil.copy(fstab, root / "etc/fstab")
    deploy.mkdir()
    names = [word.split(";") for word in v["IMAGE_BOOT_FILES"].split()]
    for name in [SPL, *(n[0] for n in names)]:
        (deploy / name).write_text(name + "\n")
    tools.mkdir()
    os.environ["BUILDDIR"] = str(tools)
    (tools / "picoclaw-image.env").write_text("".join(f'{key}="{value}"\n' for key, value in {
        "IMAGE_ROOTFS": root, "DEPLOY_DIR_IMAGE": deploy, "STAGING_DATADIR": tools, "RECIPE_SYSROOT_NATIVE": "/", "HOSTTOOLS_DIR": "/usr/bin",
        "IMAGE_BOOT_FILES": v["IMAGE_BOOT_FILES"], "ROOTFS_SIZE": 8192, "TARGET_SYS": v["TARGET_SYS"], "MACHINE": v["MACHINE"]}.items()))
    run(wic, "create", v["WKS_FULL_PATH"], "--vars", tools, "-e", "picoclaw-image", "-o", work / "out", "-w", work / "wic",
        *v["WIC_CREATE_EXTRA_ARGS"].split())
    cards = list((work / "out").glob("*.direct"))
    check(len(cards) == 1, f"wic made {cards}")
    return cards[0], [n[-1] for n in names]


def partitions(card):
    head = card.read_bytes()[:512]
    check(head[510:] == b"\x55\xaa", "no partition table")
    for at in range(446, 510, 16):
        active, kind, start, count = struct.unpack("<B3xB3xII", head[at:at + 16])
        if kind:
            yield active == 0x80, kind, start * 512, count * 512


def piece(card, start, size, path):
    with open(card, "rb") as source:
        source.seek(start)
        path.write_bytes(source.read(size))
    return path


def main():
    wic, printed, fstab, conf, work = (pathlib.Path(a).resolve() for a in sys.argv[1:])
    v = variables(printed)
    machine = v["MACHINE"]
    card, boot_files = make(wic, v, fstab, conf, work)
    found = list(partitions(card))
    kinds = [kind for _, kind, _, _ in found]
    check(len(found) == 3 and kinds[0] in (0x0B, 0x0C, 0x0E) and kinds[1:] == [0x83, 0x83], f"{machine}: partitions {found}")
    check(found[0][0], f"{machine}: the boot partition is not active")
    for (_, _, start, size), (_, _, after, _) in zip(found, found[1:]):
        check(start + size <= after, f"{machine}: partitions overlap: {found}")
    boot, root, data = (piece(card, start, size, work / name) for (_, _, start, size), name in zip(found, ("boot.fat", "root.ext4", "data.ext4")))

    run("fsck.fat", "-n", boot)
    check("PICOCLAW" in run("mlabel", "-i", boot, "-s", "::"), f"{machine}: the boot partition is not called PICOCLAW")
    for name in boot_files:
        check(name in run("mdir", "-b", "-i", boot, "::").replace("::/", ""), f"{machine}: no {name} on the boot partition")
    if "sunxi" in pathlib.Path(v["WKS_FULL_PATH"]).read_text():
        spl = piece(card, 16 * 512, len(SPL), work / "spl").read_bytes().decode(errors="replace")
        check(spl == SPL, f"{machine}: at 8 KiB, where the boot ROM looks, lies {spl!r}")
        check(found[0][2] >= MIB, f"{machine}: the first partition begins at {found[0][2]}, over the boot loader")

    label = lambda part: re.search(r"volume name: *(\S+)", run("dumpe2fs", "-h", part))[1]
    for part, name in ((root, "picoclaw-root"), (data, "picoclaw-data")):
        run("e2fsck", "-f", "-n", part)
        check(label(part) == name, f"{machine}: a file system is called {label(part)}, not {name}")
    # What is mounted, and that what changes is kept where oe-core's file systems in RAM do not hide it.
    table = [line.split() for line in run("debugfs", "-R", "cat /etc/fstab", root).splitlines() if line[:1] not in ("#", "")]
    mounts = {fields[1]: fields for fields in table}
    settings = dict(re.findall(r"^(PICOCLAW_\w+)=(.*)$", run("debugfs", "-R", "cat /etc/default/picoclaw", root), re.M))
    for name in ("PICOCLAW_HOME", "PICOCLAW_SYSTEM"):
        mount = str(pathlib.PurePath(settings[name]).parent)
        check(mounts.get(mount, [""])[0] == "LABEL=picoclaw-data" and not mount.startswith("/var/"),
              f"{machine}: {name} is {settings[name]}, which is no partition of the card that stays visible: {sorted(mounts)}")
        check("Type: directory" in run("debugfs", "-R", f"stat {mount}", root), f"{machine}: nothing to mount {mount} on")
        check("nofail" in mounts[mount][3], f"{machine}: a broken data partition would keep the board from booting")
    check(mounts.get("/boot", [""])[0] == "/dev/mmcblk0p1" and "ro," in mounts["/boot"][3], f"{machine}: /boot is not mounted read-only")
    check("read-only-rootfs" in v["IMAGE_FEATURES"], f"{machine}: the root file system is not read-only")
    print(f"{machine}: card of {card.stat().st_size // MIB} MB: boot {found[0][3] // MIB}, root {found[1][3] // MIB}, data {found[2][3] // MIB}")


main()
