"""A USB device that this program plays, with USB/IP: an I2C bridge as i2c-tiny-usb drives it.

The guest hands the connection to its kernel (vhci_hcd), which then drives the bridge like one on a cable:
the adapter, its /dev/i2c-N and its driver are the kernel's own. What hangs on the bus is ours.
"""
import socket
import struct
import threading

# Manufacturer and number of the bridge's first maker, as the driver's table names them.
VENDOR, PRODUCT = 0x1C40, 0x0534
STRINGS = {1: "rig", 2: "I2C bridge", 3: "1"}
DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0110, 0xFF, 0, 0, 8, VENDOR, PRODUCT, 0x0205, 1, 2, 3, 1)
CONFIGURATION = struct.pack("<BBHBBBBB", 9, 2, 18, 1, 1, 0, 0x80, 50) + struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 0, 0xFF, 0, 0, 0)
# Requests of the driver (drivers/i2c/busses/i2c-tiny-usb.c), and what the adapter can: I2C and SMBus by it, or says it can.
GET_FUNCTIONS, SET_DELAY, GET_STATUS, TRANSFER = 1, 2, 3, 4
FUNCTIONS, SMBUS_ONLY = 0x0EFF0009, 0x0EFF0008
ANSWERED, REFUSED = b"\1", b"\2"
STALL = -32
# Guest: `sockfd 0` is the connection, since nc gives it to the program as its standard input.
# Port 0, device 1.1, full speed.
ATTACH = "echo '0 0 65537 2' > /sys/devices/platform/vhci_hcd.0/attach"


class Memory:
    """A device with registers: the first byte written chooses one, reading goes on from there."""

    def __init__(self, registers):
        self.registers, self.at = bytearray(registers), 0

    def write(self, data):
        if data:
            self.at = data[0] % len(self.registers)
        for byte in data[1:]:
            self.registers[self.at] = byte
            self.at = (self.at + 1) % len(self.registers)

    def read(self, length):
        double = bytes(self.registers[self.at:] + self.registers[:self.at])
        self.at = (self.at + length) % len(self.registers)
        return (double * (length // len(double) + 1))[:length]


class Bridge:
    """Serves one guest. `devices`: address to what answers there; `hangs`: transfers are swallowed."""

    def __init__(self, devices):
        self.devices, self.functions, self.hangs, self.status = devices, FUNCTIONS, False, ANSWERED
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connection = None
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                self.connection, _ = self.listener.accept()
                with self.connection, self.connection.makefile("rb") as stream:
                    while self.request(stream):
                        pass
            except OSError:
                if self.listener.fileno() < 0:
                    return

    def request(self, stream):
        head = stream.read(48)
        if len(head) < 48:
            return False
        command, number, _, inward, _ = struct.unpack_from(">5I", head)
        if command == 2:
            # Takes back a request that hangs: nothing of it was sent, so it is taken back (-ECONNRESET).
            self.connection.sendall(struct.pack(">5Ii24x", 4, number, 0, 0, 0, -104))
            return True
        length = struct.unpack_from(">i", head, 24)[0]
        written = stream.read(length) if not inward and length > 0 else b""
        answer = self.control(head[40:48], written)
        if answer is None:
            return True
        status, data = (answer, b"") if isinstance(answer, int) else (0, answer[:length] if inward else b"")
        actual = len(data) if inward else len(written)
        self.connection.sendall(struct.pack(">5Iiiiii8x", 3, number, 0, 0, 0, status, actual, 0, 0, 0) + data)
        return True

    def control(self, setup, written):
        """Data, an error, or None for no answer at all."""
        kind, request, value, index, length = struct.unpack("<BBHHH", setup)
        if kind & 0x60 == 0x40:
            return self.vendor(request, value, index, length, written)
        if request == 6:
            what, which = value >> 8, value & 0xFF
            if what == 3:
                text = "\u0409" if which == 0 else STRINGS.get(which)
                if text is None:
                    return STALL
                return bytes([2 + 2 * len(text), 3]) + text.encode("utf-16-le")
            return {1: DEVICE, 2: CONFIGURATION}.get(what, STALL)
        # Configuration and interface as they are; the status of a device on the bus's power.
        return {0: b"\0\0", 8: b"\1", 9: b"", 10: b"\0", 11: b"", 1: b"", 3: b""}.get(request, STALL)

    def vendor(self, request, value, index, length, written):
        if request == GET_FUNCTIONS:
            return struct.pack("<I", self.functions)
        if request == SET_DELAY:
            return b""
        if request == GET_STATUS:
            return self.status
        if not TRANSFER <= request < TRANSFER + 4:
            return STALL
        if self.hangs:
            return None
        device = self.devices.get(index)
        self.status = REFUSED if device is None else ANSWERED
        # Bit 0 of an I2C message's flags: reading.
        if value & 1:
            return b"\xff" * length if device is None else device.read(length)
        if device is not None:
            device.write(written)
        return b""

    def unplug(self):
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        self.unplug()
