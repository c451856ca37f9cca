"""The image's card in another machine: QEMU's sifive_u, which has pins, an SPI bus with a flash, and a second UART."""
import lzma
import os
import pathlib
import re
import select
import subprocess
import time

from .card import call
from .machine import Machine, Trouble
from .route import unpacked, unpacked_kernel

# To reach the card, which hangs on the SoC's second SPI bus; the network card; and what is plugged in here: an I2C bus
# on USB, and a UART on USB whose other end is a UART of the same machine. All from the initramfs: the root file system is full.
MODULES = ("spi-sifive", "mmc_spi", "mmc_block", "macb", "i2c-dev", "vhci-hcd", "i2c-tiny-usb", "cdc-acm", "dummy_hcd",
           "usb_f_acm", "g_serial")
CONSOLE = "ttySIF0"
# Registers of the GPIO block: which lines are outputs, what goes out, which lines have a pull-up.
GPIO_ENABLED, GPIO_OUT, GPIO_PULL_UP = 0x10060008, 0x1006000C, 0x10060010


class Kernel:
    """Debian's kernel package as scripts/image/make unpacked it."""

    def __init__(self, route):
        self.release = route.kernel()
        tree = unpacked_kernel(self.release)
        if tree is None:
            raise Trouble(f"kernel {self.release} is not among what scripts/image/make has fetched")
        self.modules = tree / "usr/lib/modules" / self.release
        self.needs = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            file, _, needed = line.partition(":")
            self.needs[file] = needed.split()

    def files(self, *names):
        """Modules with what they need, in the order of loading."""
        order = []
        for name in names:
            mark = re.compile(rf"/{name.replace('_', '[-_]')}\.ko\.xz$")
            file = next((f for f in self.needs if mark.search(f)), None)
            if file is None:
                raise Trouble(f"kernel {self.release} has no module {name}")
            order += [*reversed(self.needs[file]), file]
        return list(dict.fromkeys(order))

    def load(self, file):
        return lzma.decompress((self.modules / file).read_bytes())


def busybox():
    """Debian's static one, as scripts/image/make unpacked it."""
    tree = unpacked("busybox-static_*")
    if tree is None:
        raise Trouble("scripts/image/make has fetched no busybox-static")
    return (tree / "usr/bin/busybox").read_bytes()


def short(file):
    return pathlib.Path(file).name.removesuffix(".xz")


def initramfs(kernel, folder, disk):
    """Kernel and initramfs of the card, with the modules that this machine's card needs."""
    call("mcopy", "-n", "-o", "-i", f"{disk}@@1M", "::Image", "::initrd.gz", folder)
    extra = folder / "initramfs"
    (extra / "modules").mkdir(parents=True, exist_ok=True)
    # Later files replace those of the same name.
    base = subprocess.run("zcat initrd.gz | cpio --quiet -i --to-stdout modules/order", shell=True, cwd=folder,
                          stdout=subprocess.PIPE, check=True).stdout.decode().split()
    early = kernel.files(*MODULES)
    for file in early:
        (extra / "modules" / short(file)).write_bytes(kernel.load(file))
    order = [short(f) for f in early] + [m for m in base if not m.startswith("virtio")]
    (extra / "modules/order").write_text("".join(m + "\n" for m in order))
    archive = subprocess.run("find . | cpio --quiet -o -H newc --owner=0:0 | gzip -1", shell=True, cwd=extra,
                             stdout=subprocess.PIPE, check=True).stdout
    with open(folder / "initrd.gz", "ab") as f:
        f.write(archive)


def prepare(card, route, folder, facts):
    """Puts this machine's facts on the card, and kernel and initramfs into the folder."""
    initramfs(Kernel(route), folder, card.disk)
    root = f"{card.disk}?offset={card.root}"
    read = lambda path: call("debugfs", "-R", f"cat {path}", root).decode()
    files = {"/etc/inittab": read("/etc/inittab").replace("ttyS0", CONSOLE)}
    board = read("/etc/picoclaw/board.conf").replace("/dev/vda'", "/dev/mmcblk0'").replace("/dev/vda", "/dev/mmcblk0p")
    for key, value in {"MODULES": "softdog", "CONSOLE": CONSOLE, **facts}.items():
        board, found = re.subn(rf"^{key}='.*'$", lambda _: f"{key}='{value}'", board, flags=re.M)
        if not found:
            raise Trouble(f"board.conf has no {key}")
    files["/etc/picoclaw/board.conf"] = board
    orders = []
    for number, (path, content) in enumerate(files.items()):
        source = folder / f"file{number}"
        source.write_text(content)
        orders += [f"rm {path}", f"write {source} {path}"]
    (folder / "orders").write_text("\n".join(orders) + "\n")
    call("debugfs", "-w", "-f", folder / "orders", root)
    for path, content in files.items():
        if call("debugfs", "-R", f"cat {path}", root).decode() != content:
            raise Trouble(f"{path} did not get onto the card")


class Line:
    """The other end of a UART: two pipes. A socket takes 256 single bytes, and QEMU's model drops what does not fit."""

    def __init__(self, path):
        for end in ("in", "out"):
            os.mkfifo(f"{path}.{end}")
        self.path, self.ends = path, {}

    def open(self):
        self.ends = {"in": os.open(f"{self.path}.in", os.O_WRONLY), "out": os.open(f"{self.path}.out", os.O_RDONLY)}

    def sendall(self, data):
        while data:
            data = data[os.write(self.ends["in"], data):]

    def recv(self, length):
        return os.read(self.ends["out"], length)

    def heard(self, length, seconds):
        """So many bytes, fewer when they do not come in time."""
        data, end = b"", time.time() + seconds
        while len(data) < length and select.select([self.ends["out"]], [], [], max(0, end - time.time()))[0]:
            data += self.recv(length - len(data))
        return data


class SiFive(Machine):
    """`pins` and `uart` are the ends that hang out of the SoC."""

    # Kernel and initramfs; set by the scene.
    files = None

    def __init__(self, disk, folder, *options):
        super().__init__(disk, folder, *options)
        self.pins = self.connect(self.folder / "pins").makefile("rw")
        self.uart.open()

    def connect(self, path):
        if path.name != "serial":
            return super().connect(path)
        # Its pipes are there, but they block until QEMU has opened them; it listens after that.
        super().connect(path.with_name("qmp")).close()
        self.line.open()
        return self.line

    def command(self, disk, serial, qmp, options):
        # Of scripts/image/qemu's options only the kernel's arguments mean something here.
        arguments = options[options.index("--append") + 1]
        self.line, self.uart = Line(serial), Line(self.folder / "uart")
        listen = "server=on,wait=off"
        return ["qemu-system-riscv64", "-M", "sifive_u", "-smp", "2", "-m", "256M", "-no-reboot", "-display", "none",
                "-monitor", "none", "-accel", "tcg", "-chardev", f"pipe,id=console,path={serial}", "-serial", "chardev:console",
                "-chardev", f"pipe,id=uart,path={self.uart.path}", "-serial", "chardev:uart", "-qmp", f"unix:{qmp},{listen}",
                "-qtest", f"unix:{self.folder}/pins,{listen}", "-kernel", self.files / "Image",
                "-initrd", self.files / "initrd.gz", "-append", f"root=/dev/mmcblk0p2 ro console={CONSOLE},115200 quiet {arguments}",
                "-drive", f"if=sd,file={disk},format=raw", "-nic", "user,id=net"]

    def pin_order(self, *words):
        self.pins.write(" ".join(str(w) for w in words) + "\n")
        self.pins.flush()
        while True:
            answer = self.pins.readline().split()
            if not answer:
                raise Trouble(f"QEMU ended before {words[0]}")
            if answer[0] == "OK":
                return answer[1:]
            if answer[0] != "IRQ":
                raise Trouble(f"{words}: {answer}")

    def register(self, address):
        return int(self.pin_order("readl", hex(address))[0], 16)

    def pull(self, line, level):
        """Pulls a line up, or lets it go: nothing but its pull-up holds an input of this machine."""
        others = self.register(GPIO_PULL_UP) & ~(1 << line)
        self.pin_order("writel", hex(GPIO_PULL_UP), hex(others | int(level) << line))

    def pin(self, line):
        """What the SoC drives the line to: True, False, or None when it is no output."""
        enabled, out = self.register(GPIO_ENABLED), self.register(GPIO_OUT)
        return bool(out >> line & 1) if enabled >> line & 1 else None
