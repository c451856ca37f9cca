"""The board in QEMU: started by scripts/image/qemu, its console, its power cord, its knobs (QMP)."""
import ctypes
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Made by `openssl passwd -6 -salt bootteSt secret`: root's password on the boards of this test alone.
PASSWORD = "secret"
PASSWORD_HASH = "$6$bootteSt$NY/SmwckYT6kqp4BuuEPVtF/nHSZoiZo44pdjuNnU2aQ86v8Fzi2k.VUP0K4fbwvE4qT2tOF/Xcm/zXQuwMzW1"


LIBC = ctypes.CDLL(None)


def end_with_us():
    """QEMU does not outlive this program, however it ends: prctl(PR_SET_PDEATHSIG, SIGKILL)."""
    LIBC.prctl(1, 9)


class Trouble(Exception):
    """What was waited for did not come."""


class Machine:
    """One power-on. `folder` holds its sockets and the console's log."""

    def __init__(self, disk, folder, *options):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seen = bytearray()
        self.fresh = threading.Condition()
        self.steps = 0
        self.shell = False
        serial, qmp = self.folder / "serial", self.folder / "qmp"
        for path in (serial, qmp):
            path.unlink(missing_ok=True)
        with open(self.folder / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(disk, serial, qmp, options),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_us)
        self.started = time.time()
        try:
            self.console = self.connect(serial)
            self.knobs = self.connect(qmp).makefile("rw")
        except BaseException:
            self.cut()
            raise
        self.knobs.readline()
        self.order("qmp_capabilities")
        threading.Thread(target=self.listen, daemon=True).start()

    def command(self, disk, serial, qmp, options):
        """What starts it; console and knobs are Unix sockets at these paths."""
        return [ROOT / "scripts/image/qemu", "--disk", disk, "--serial", serial, "--qmp", qmp, *options]

    def connect(self, path):
        end = time.time() + 30
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(str(path))
                return s
            except OSError:
                s.close()
            if time.time() > end or self.process.poll() is not None:
                raise Trouble("QEMU does not start: " + (self.folder / "qemu.log").read_text()[-2000:])
            time.sleep(0.05)

    def listen(self):
        with open(self.folder / "console.log", "ab", buffering=0) as log:
            while True:
                try:
                    data = self.console.recv(4096)
                except OSError:
                    data = b""
                if not data:
                    return
                log.write(data)
                with self.fresh:
                    self.seen += data
                    self.fresh.notify_all()

    def until(self, pattern, seconds):
        """Waits for a pattern on the console; gives the match and forgets everything up to it."""
        compiled = re.compile(pattern)
        end = time.time() + seconds
        with self.fresh:
            while True:
                found = compiled.search(bytes(self.seen))
                if found:
                    del self.seen[:found.end()]
                    return found
                if self.process.poll() is not None:
                    raise Trouble(f"the machine is off; {pattern!r} never came:\n{self.tail()}")
                left = end - time.time()
                if left <= 0:
                    raise Trouble(f"not within {seconds} s on the console: {pattern!r}\n{self.tail()}")
                self.fresh.wait(min(left, 0.5))

    def tail(self):
        return bytes(self.seen[-1500:]).decode(errors="replace")

    def send(self, text):
        self.console.sendall(text.encode())

    def log_in(self, seconds=240):
        """A root shell on the console; the card must have brought the hash."""
        self.until(rb"login: ", seconds)
        self.send("root\n")
        self.until(rb"assword: ", 60)
        self.send(PASSWORD + "\n")
        self.until(rb"# ", 60)
        # Split, so that the echo of the order is not taken for its answer.
        self.send("stty -echo; PS1=; PS2=; echo REA''DY\n")
        self.until(rb"READY\r?\n", 30)
        self.shell = True

    def run(self, command, seconds=60):
        """Exit status and output of shell lines on the board."""
        self.steps += 1
        self.send(f"{{ {command}\n}}; echo \"=$?=\"{self.steps}=\n")
        found = self.until(rb"(?s)(.*?)=(\d+)=%d=\r?\n" % self.steps, seconds)
        return int(found[2]), found[1].decode(errors="replace").replace("\r", "")

    def get(self, command, seconds=60):
        """Output of a command that must succeed."""
        status, text = self.run(command, seconds)
        if status:
            raise Trouble(f"{command}: exit status {status}: {text.strip()}")
        return text.strip()

    def read(self, path):
        """A file on the board, empty where there is none."""
        return self.run(f"cat {shlex.quote(path)} 2>/dev/null")[1]

    def wait(self, command, seconds, every=1.0):
        """Repeats a command until it succeeds."""
        end = time.time() + seconds
        while True:
            status, text = self.run(command)
            if status == 0:
                return text.strip()
            if time.time() > end:
                raise Trouble(f"not within {seconds} s: {command}: {text.strip()}")
            time.sleep(every)

    def order(self, command, **arguments):
        """A QMP command."""
        self.knobs.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.knobs.flush()
        while True:
            line = self.knobs.readline()
            if not line:
                raise Trouble(f"QEMU ended before {command}")
            answer = json.loads(line)
            if "error" in answer:
                raise Trouble(f"{command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]

    def network(self, up):
        """Plugs the cable in or out."""
        # The cable's name is QEMU's name of the network's other end.
        self.order("set_link", name="net", up=up)

    def disk_speed(self, writes=0, bytes_written=0):
        """Limits writes a second and their bytes; 0 is no limit."""
        limits = dict.fromkeys(("bps", "bps_rd", "iops", "iops_rd"), 0)
        self.order("block_set_io_throttle", device="disk", iops_wr=writes, bps_wr=bytes_written, **limits)

    def on(self):
        return self.process.poll() is None

    def wait_off(self, seconds):
        """Waits until the machine has switched itself off, or reset itself (which ends QEMU too)."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Trouble(f"still on after {seconds} s:\n{self.tail()}") from None

    def cut(self):
        """Pulls the plug."""
        if self.process.poll() is None:
            os.kill(self.process.pid, 9)
        self.process.wait(30)
