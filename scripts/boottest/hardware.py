"""The hardware tools on device nodes of a real kernel: pins, SPI flash and UART of QEMU's sifive_u, I2C and UART on USB."""
from . import sifive
from .scene import BOOT

# What mdev has to give to the groups that the daemon is in.
NODES = {"gpiochip0": "gpio", "spidev0.0": "spi", "ttyACM0": "dialout"}


def hardware(s):
    s.machine = type("Board", (sifive.SiFive,), {"files": s.folder})
    sifive.prepare(s.card, s.lab.image, s.folder, {"TITLE": "SiFive U in QEMU"})
    s.lay(s.peer.config())
    board = s.boot()
    s.polled(0, BOOT)
    s.check("boots from a card on SPI in another machine and polls over TLS", True)
    board.log_in()
    # As a board's device tree would have it: the flash is for programs, not for the kernel.
    board.get("echo spidev > /sys/bus/spi/devices/spi0.0/driver_override && echo spi0.0 > /sys/bus/spi/drivers/spidev/bind")
    for node, group in NODES.items():
        board.wait(f"test \"$(stat -c '%G %a' /dev/{node})\" = '{group} 660'", 20)
    s.check("device nodes belong to the groups the daemon is in", True)
    s.check("and it answers", s.ask("hello"))
