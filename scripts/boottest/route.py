"""By which route an image and its program were made; read off the image, since what is promised depends on it."""
import os
import pathlib
import re
import struct
import subprocess
import tempfile

from .card import Card, call
from .machine import ROOT

# Figures of tests/budget.conf that are promised for scripts/build/board's program and scripts/image/make's root file system alone.
OF_BUILD = ("VMRSS_KB", "RSSANON_KB", "TOTAL_PSS_KB", "BINARY_BYTES", "ROOT_BYTES")
# ELF: a program at fixed addresses; the segment that names the loader.
ET_EXEC, PT_INTERP = 2, 3


def loader(program):
    """The loader that an ELF program names, None for a static one; and whether it has fixed addresses."""
    if program[:4] != b"\x7fELF" or program[4] != 2:
        raise RuntimeError("/usr/bin/picoclaw of the image is no 64-bit ELF program")
    kind, = struct.unpack_from("<H", program, 16)
    table, = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    for at in range(table, table + size * count, size):
        if struct.unpack_from("<I", program, at)[0] == PT_INTERP:
            offset, = struct.unpack_from("<Q", program, at + 8)
            return program[offset:program.index(b"\0", offset)].decode(), kind == ET_EXEC
    return None, kind == ET_EXEC


class Route:
    """`name` for people; `ceiling` is the VmRSS that the board's facts promise for it, None where they promise none."""

    def __init__(self, image):
        card = Card(image)
        self.root = f"{card.disk}?offset={card.root}"
        facts = self.read("/etc/picoclaw/board.conf")
        found = re.search(r"^BOARD='(\w+)'$", facts, re.M)
        if not found:
            raise RuntimeError(f"{image}: no /etc/picoclaw/board.conf with a BOARD in its root file system: not an image of ours")
        self.board = found[1]
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "picoclaw")
            call("debugfs", "-R", f"dump /usr/bin/picoclaw {program}", self.root)
            interpreter, fixed = loader(program.read_bytes() if program.exists() else b"")
        if interpreter is None and fixed:
            self.name, self.ceiling = "scripts/build/board", self.promised("CEILING_BUILD_KB")
        elif interpreter is None or "ld-musl" in interpreter:
            self.name, self.ceiling = "Buildroot with musl", self.promised("CEILING_BUILDROOT_KB")
        else:
            # Its own pages come on top, and differ by release.
            self.name, self.ceiling = "glibc", None

    def promised(self, key):
        """A ceiling of the board's facts, as this repository has them."""
        said = subprocess.run([ROOT / "scripts/image/board-facts", self.board], capture_output=True, text=True, check=True).stdout
        return int(re.search(rf"^{key}='(\d+)'$", said, re.M)[1])

    def read(self, path):
        return call("debugfs", "-R", f"cat {path}", self.root).decode(errors="replace")

    def limits(self, budget):
        """What of the budget holds on this route, with its own ceiling on memory."""
        if self.name == "scripts/build/board":
            return budget
        limits = {name: limit for name, limit in budget.items() if name not in OF_BUILD}
        if self.ceiling is not None:
            limits["VMRSS_KB"] = self.ceiling
        return limits

    def kernel(self):
        """The kernel's release, by its modules in the root file system."""
        found = re.findall(r"^ *\d+ .* (\d+\.\d\S*) *$", call("debugfs", "-R", "ls -l /usr/lib/modules", self.root).decode(), re.M)
        return found[0] if found else None


def unpacked(pattern):
    """A package as scripts/image/make unpacked it; None where it is not there."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(os.environ.get("PICOCLAW_IMAGE_CACHE") or pathlib.Path(home) / "picoclaw-image")
    found = sorted((cache / "riscv64").glob(pattern))
    return found[-1] if found else None


def unpacked_kernel(release):
    """Debian's kernel package of this release."""
    return unpacked(f"linux-image-{release}_*") if release else None
