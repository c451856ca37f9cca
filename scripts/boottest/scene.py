"""One scene of the test: a card, a peer and a board of its own; what is checked, and how that came out."""
import json
import pathlib
import re
import shutil
import threading
import time

from .card import Card
from .machine import PASSWORD_HASH, Machine, Trouble
from .peer import Peer
from .route import Route

# Seconds for a board to come up and poll; a busy machine emulates slowly.
BOOT = 300
# Seconds for an answer.
ANSWER = 90


class Lab:
    """What all scenes share: the image, the peer's program, its CA, where to write, what came out."""

    def __init__(self, image, peer_program, authority, folder, out):
        self.image, self.peer_program, self.authority = image, peer_program, authority
        self.route = Route(image)
        self.folder, self.out = pathlib.Path(folder), out
        self.begun = time.time()
        self.lock = threading.Lock()
        self.passed, self.failures, self.figures, self.scenes = 0, [], {}, []
        # Of the campaign.
        self.seed = self.cuts = 0

    def tell(self, scene, text):
        with self.lock:
            print(f"{time.time() - self.begun:6.0f} s  {scene:10} {text}", file=self.out, flush=True)


class Scene:
    # What the card is put into.
    machine = Machine

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.folder = lab.folder / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.board = self.peer = None
        self.boots = 0
        self.over = False
        lab.scenes.append(self)
        # Without a program the real services are meant.
        self.peer = Peer(lab.peer_program, lab.authority) if lab.peer_program else None
        self.card = Card.copy(lab.image, self.folder / "disk.img")

    def tell(self, text):
        self.lab.tell(self.name, text)

    def check(self, what, holds, detail=""):
        """One statement of the test."""
        with self.lab.lock:
            if holds:
                self.lab.passed += 1
            else:
                self.lab.failures.append(f"{self.name}: {what}")
        self.tell(("ok      " if holds else "FAILED  ") + what)
        if not holds and detail:
            self.tell("        " + str(detail).strip().replace("\n", "\n" + " " * 29))
        return bool(holds)

    def figure(self, name, value):
        with self.lab.lock:
            self.lab.figures[name] = value

    def lay(self, config=None, files=(), console=True):
        """Files for the boot partition (a folder where the content is None). The console opens with the hash."""
        files = dict(files)
        if console:
            files["root.hash"] = PASSWORD_HASH + "\n"
        if config is not None:
            files["picoclaw.json"] = config if isinstance(config, (str, bytes)) else json.dumps(config, indent=2)
        for name, content in files.items():
            self.card.put(name, content)

    def boot(self, arguments="", *options, uboot=False):
        """Power on. Without U-Boot a boot is some seconds shorter and takes kernel arguments."""
        self.cut()
        if self.over:
            raise Trouble("out of time")
        self.boots += 1
        how = () if uboot else ("--append", arguments or "picoclaw.test")
        self.tell(f"power on ({self.boots})")
        self.board = self.machine(self.card.disk, self.folder / f"boot{self.boots}", *how, *options)
        return self.board

    def polled(self, since, seconds=BOOT):
        """The daemon polls (again)."""
        if not self.peer.wait_polls(since + 1, seconds):
            raise Trouble(f"no poll within {seconds} s:\n{self.board.tail()}")

    def start(self, arguments="", *options, uboot=False):
        """Power on, wait for the first poll, log in."""
        polls = self.peer.polls()
        board = self.boot(arguments, *options, uboot=uboot)
        self.polled(polls)
        board.log_in()
        return board

    def ask(self, text, seconds=ANSWER):
        """Says something and waits for the answer; None when there is none."""
        return self.peer.answer(self.peer.say(text), seconds)

    def script(self, workspace, name, text, seconds=ANSWER):
        """Has the assistant run a script of the workspace, and agrees if it asks; gives what the model reads."""
        self.board.get(f"cat > {workspace}/{name} <<'END'\n{text}\nEND\nchmod 644 {workspace}/{name}; chown picoclaw {workspace}/{name}")
        before, end = len(self.peer.control("sent")["sent"]), time.time() + seconds
        marker, asked = self.peer.say(f'[call:exec {{"command":"sh {name}"}}] and?'), None
        while time.time() < end and not self.peer.answer(marker, 1):
            if not asked and (asked := self.peer.question(1, before)):
                self.peer.press(asked, 0)
        return self.peer.tool_results()

    def off(self):
        """A clean end."""
        self.board.send("poweroff\n")
        self.board.wait_off(120)

    def cut(self):
        if self.board:
            self.board.cut()

    def close(self):
        self.over = True
        self.cut()
        if self.peer:
            self.peer.close()

    # What the board says about itself.

    def pid(self, seconds=60):
        return self.board.wait("cat /run/picoclaw/daemon.pid", seconds)

    def log(self):
        """The newest lines, without the kernel's: an emulated console is slow."""
        return self.board.run("cat /var/log/messages.0 /var/log/messages 2>/dev/null | grep -v ' kern[.]' | tail -n 80")[1]

    def logged(self, words, seconds):
        """Waits for words in the log."""
        self.board.wait(f"grep -q -F {json.dumps(words)} /var/log/messages /var/log/messages.0 2>/dev/null", seconds)

    def state(self):
        """`picoclaw status --json`."""
        status, text = self.board.run("picoclaw status --json")
        try:
            return json.loads(text)
        except ValueError:
            raise Trouble(f"picoclaw status: {status}: {text}") from None

    def status_lines(self):
        return self.board.run("picoclaw status")[1]

    def in_status_file(self, pattern, seconds=180):
        """Waits for a pattern in picoclaw.status.txt, as read from the card; the supervisor writes it once a minute."""
        end = time.time() + seconds
        while True:
            found = re.search(pattern, self.card.status())
            if found or time.time() > end:
                return found
            time.sleep(2)
