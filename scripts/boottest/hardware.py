"""The hardware tools on device nodes of a real kernel: pins, SPI flash and UART of QEMU's sifive_u, I2C and UART on USB."""
import json
import time

from . import sifive
from .scene import ANSWER, BOOT
from .usbip import ATTACH, SMBUS_ONLY, Bridge, Memory

# What mdev has to give to the groups that the daemon is in.
NODES = {"gpiochip0": "gpio", "spidev0.0": "spi", "ttyACM0": "dialout"}
# The board's file, and the pins that it forbids; line 10 is the kernel's own, it restarts the machine.
FACTS = {"TITLE": "SiFive U in QEMU", "I2C_REFUSED": "/dev/i2c-7:Wi-Fi", "SPI_REFUSED": "/dev/spidev1.0:the_boot_medium",
         "GPIO_REFUSED": "HDR5@10060000.gpio/5:Wi-Fi_power"}
FREE, WRITTEN, REFUSED, TAKEN = 3, 4, 5, 10
TOOLS = {name: {"enabled": True} for name in ("i2c", "spi", "serial", "gpio", "board")}
# The flash of the board: an ISSI IS25WP256.
FLASH = "9d 70 19"
# The UART on USB: with its driver bound it is on the cable.
GADGET_IDS = "0525:a4a7"
GADGET = "echo gadget.0 > /sys/bus/gadget/drivers/g_serial/"


def hardware(s):
    s.machine = type("Board", (sifive.SiFive,), {"files": s.folder})
    sifive.prepare(s.card, s.lab.route, s.folder, FACTS)
    config = s.peer.config()
    config["tools"].update(TOOLS)
    config["devices"] = {"enabled": True}
    # An image's own BusyBox need not have `nc -e`, by which the bridge is plugged in.
    s.lay(config, {"busybox": sifive.busybox()})
    board = s.boot()
    s.polled(0, 2 * BOOT)
    s.check("boots from a card on SPI in another machine and polls over TLS", True)
    board.log_in()
    board.get("cp /boot/busybox /run/ && chmod 755 /run/busybox")
    # As a board's device tree would have it: the flash is for programs, not for the kernel; the UART is on the header.
    board.get("echo spidev > /sys/bus/spi/devices/spi0.0/driver_override && echo spi0.0 > /sys/bus/spi/drivers/spidev/bind")
    board.get("chgrp dialout /dev/ttySIF1 && chmod 660 /dev/ttySIF1")
    for node, group in NODES.items():
        board.wait(f"test \"$(stat -c '%G %a' /dev/{node})\" = '{group} 660'", 20)
    s.check("device nodes belong to the groups the daemon is in", True)
    daemon = s.pid()
    said = call(s, "board")
    s.check("the board says what it is and what it forbids", FACTS["TITLE"] in said and "Wi-Fi" in said, said)
    gpio(s, board)
    spi(s)
    serial(s, board)
    # Before the bus on USB: more than six notices a minute are not told.
    plugged(s, board)
    i2c(s, board)
    s.check("the same daemon all the time", s.pid() == daemon)


def script(tool, **arguments):
    return f"[call:{tool} {json.dumps(arguments)}]"


def result(s, marker, answer):
    if answer is None:
        return f"no answer to {marker}"
    return " ".join(s.peer.tool_results())


def call(s, tool, **arguments):
    """What the model reads of a call that asks nobody."""
    marker = s.peer.say(script(tool, **arguments))
    return result(s, marker, s.peer.answer(marker, ANSWER))


class Asked:
    """A call that waits for a button."""

    def __init__(self, s, tool, **arguments):
        self.s, before = s, len(s.peer.control("sent")["sent"])
        self.marker = s.peer.say(script(tool, **arguments))
        self.question = s.peer.question(ANSWER, before)

    def pressed(self, button):
        if self.question:
            self.s.peer.press(self.question, button)
        return result(self.s, self.marker, self.s.peer.answer(self.marker, ANSWER))

    def yes(self):
        return self.pressed(0)

    def no(self):
        return self.pressed(1)


def gpio(s, board):
    said = call(s, "gpio", action="list")
    s.check("gpio lists the chip", "gpiochip0" in said and "(16 lines)" in said, said)
    low = call(s, "gpio", action="read", line=FREE)
    board.pull(FREE, True)
    high = call(s, "gpio", action="read", line=FREE)
    board.pull(FREE, False)
    s.check("gpio reads a line as it is pulled", '"value":0' in low and '"value":1' in high, low + high)
    asked = Asked(s, "gpio", action="write", line=WRITTEN, value=1)
    s.check("gpio asks before it writes, and the pin rests", asked.question and board.pin(WRITTEN) is None, asked.question)
    said = asked.no()
    s.check("a no leaves the pin alone", "said no" in said and board.pin(WRITTEN) is None, said)
    said = Asked(s, "gpio", action="write", line=WRITTEN, value=1).yes()
    s.check("a yes drives the pin", board.pin(WRITTEN) is True, said)
    said = Asked(s, "gpio", action="write", line=WRITTEN, value=0).yes()
    s.check("and the next one the other way", board.pin(WRITTEN) is False, said)
    said = Asked(s, "gpio", action="release", line=WRITTEN).yes()
    s.check("a line is given back", '"value":0' in said, said)
    said = call(s, "gpio", action="write", line=REFUSED, value=1)
    s.check("a line that carries Wi-Fi is refused with the reason, whatever the model asks",
            "refused" in said and "Wi-Fi power (HDR5)" in said and board.pin(REFUSED) is None, said)
    said = call(s, "gpio", action="read", line=TAKEN)
    s.check("a line of the kernel's is named as in use", "in use" in said, said)
    said = call(s, "gpio", action="read", line=99)
    s.check("a line that is not there is an error", "no such line" in said, said)


def spi(s):
    said = call(s, "spi", action="list")
    s.check("spi lists the device", '"0.0"' in said, said)
    asked = Asked(s, "spi", action="transfer", device="0.0", data=[0x9F, 0, 0, 0])
    s.check("spi asks before a transfer", asked.question, asked.question)
    said = asked.yes()
    s.check("spi reads the flash's number", FLASH in said, said)
    # Write enable, a page with four bytes, read it back.
    for data in ([6], [2, 0, 1, 0, 0xCA, 0xFE, 0x12, 0x34]):
        Asked(s, "spi", action="transfer", device="0.0", data=data).yes()
    said = Asked(s, "spi", action="transfer", device="0.0", data=[3, 0, 1, 0, 0, 0, 0, 0]).yes()
    s.check("and what it wrote into it", "ca fe 12 34" in said, said)
    said = call(s, "spi", action="transfer", device="1.0", data=[0])
    s.check("the bus of the boot medium is refused with the reason", "refused" in said and "the boot medium" in said, said)
    said = Asked(s, "spi", action="transfer", device="9.0", data=[0]).yes()
    s.check("a device that is not there is an error", "there is no /dev/spidev9.0" in said, said)


def serial(s, board):
    said = call(s, "serial", action="list")
    s.check("serial lists the ports without the console",
            "ttySIF1" in said and "ttyACM0" in said and "ttySIF0" not in said.split("refused")[0], said)
    asked = Asked(s, "serial", action="write", port="ttySIF1", data="hello, pin 2")
    quiet = not board.uart.heard(1, 0.5)
    said = asked.yes()
    heard = board.uart.heard(12, 20)
    s.check("serial asks, then writes to the UART's pin", asked.question and quiet and heard == b"hello, pin 2", (heard, said))
    marker = s.peer.say(script("serial", action="read", port="ttySIF1", length=6, timeout_ms=10000))
    for _ in range(20):
        # It hears only while it is open.
        board.uart.sendall(b"answer")
        answer = s.peer.answer(marker, 1)
        if answer:
            break
    said = result(s, marker, answer)
    s.check("serial reads what comes in there", "answer" in said or "nswera" in said, said)
    said = call(s, "serial", action="read", port="ttySIF0")
    s.check("the console is refused", "refused" in said and "console" in said, said)
    # The other end of that cable.
    board.get("stty -F /dev/ttyGS0 raw -echo; timeout 60 head -n 1 < /dev/ttyGS0 > /run/heard & sleep 1")
    said = Asked(s, "serial", action="write", port="ttyACM0", data="over USB\n").yes()
    s.check("serial writes to a UART on USB", board.run("sleep 1; grep 'over USB' /run/heard")[0] == 0, said)


def i2c(s, board):
    said = call(s, "i2c", action="read", bus="0", address=0x48)
    s.check("a bus that is not there is an error", "there is no /dev/i2c-0" in said, said)
    eeprom = Memory(bytes(256))
    bridge = Bridge({0x48: Memory(b"\x1a\x80"), 0x50: eeprom})
    try:
        plug_bridge(board, bridge)
        told = s.peer.told("I2C bridge", 30)
        s.check("a bus on USB is told in the chat", told, s.peer.control("sent", last=2))
        said = call(s, "i2c", action="detect")
        s.check("i2c names the bus", "i2c-tiny-usb" in said, said)
        said = call(s, "i2c", action="scan", bus="0")
        s.check("i2c finds the two devices on it", '["0x48","0x50"]' in said, said)
        said = call(s, "i2c", action="read", bus="0", address=0x48, register=0, length=2)
        s.check("i2c reads a sensor", "1a 80" in said, said)
        asked = Asked(s, "i2c", action="write", bus="0", address=0x50, register=16, data=[0xCA, 0xFE])
        s.check("i2c asks before it writes", asked.question and not any(eeprom.registers), asked.question)
        said = asked.yes()
        s.check("and writes after a yes", eeprom.registers[16:18] == b"\xca\xfe", said)
        said = call(s, "i2c", action="read", bus="0", address=0x20)
        s.check("an address that nobody has is an error", "nobody answers" in said, said)
        said = call(s, "i2c", action="read", bus="7", address=0x48)
        s.check("a bus that carries Wi-Fi is refused with the reason", "refused" in said and "Wi-Fi" in said, said)
        hangs(s, bridge)
        bridge.unplug()
        board.wait("! test -e /dev/i2c-0", 30)
        said = call(s, "i2c", action="read", bus="0", address=0x48)
        s.check("an adapter that was pulled out is an error", "there is no /dev/i2c-0" in said, said)
        bridge.functions = SMBUS_ONLY
        plug_bridge(board, bridge)
        said = call(s, "i2c", action="read", bus="0", address=0x50, register=16, length=2)
        s.check("i2c reads by an adapter that knows SMBus only", "ca fe" in said, said)
        said = call(s, "i2c", action="read", bus="0", address=0x50, register=0, length=64)
        s.check("more than a block, too", '"length":64' in said and "ca fe" in said, said)
        said = Asked(s, "i2c", action="write", bus="0", address=0x50, register=32, data=[1, 2, 3]).yes()
        s.check("and writes by it", eeprom.registers[32:35] == b"\1\2\3", said)
    finally:
        bridge.close()


def plug_bridge(board, bridge):
    board.get(f"echo \"{ATTACH}\" > /run/attach && /run/busybox nc 10.0.2.2 {bridge.port} -e /bin/sh /run/attach")
    board.wait("test \"$(stat -c '%G %a' /dev/i2c-0)\" = 'i2c 660'", 30)


def hangs(s, bridge):
    """A transfer that never ends."""
    bridge.hangs = True
    begun = time.time()
    said = call(s, "i2c", action="read", bus="0", address=0x48, length=2)
    s.check(f"a bus that hangs is an error ({time.time() - begun:.0f} s)", "/dev/i2c-0" in said and "answer" in said, said)
    bridge.hangs = False
    said = call(s, "i2c", action="read", bus="0", address=0x48, register=0, length=2)
    s.check("and works again when it is well", "1a 80" in said, said)


def plugged(s, board):
    """A UART on USB is pulled out while it is read."""
    marker = s.peer.say(script("serial", action="read", port="ttyACM0", timeout_ms=10000))
    asked = s.peer.stats()["calls"].get("llm.chat", 0)
    s.peer.control("wait", calls="llm.chat", n=asked + 1, timeout=ANSWER)
    time.sleep(1)
    board.get(GADGET + "unbind")
    said = result(s, marker, s.peer.answer(marker, ANSWER))
    s.check("a port that is pulled out while it is read is an error", "went away" in said, said)
    told = s.peer.told("Device Disconnected", 30)
    s.check("and told in the chat", told and GADGET_IDS in told, told)
    said = call(s, "serial", action="read", port="ttyACM0")
    s.check("then it is not there", "there is no /dev/ttyACM0" in said, said)
    board.get(GADGET + "bind")
    board.wait("test -c /dev/ttyACM0", 30)
    told = s.peer.told("Device Connected", 30)
    s.check("a USB device that is plugged in is told in the chat", told and "Gadget Serial" in told, told)
