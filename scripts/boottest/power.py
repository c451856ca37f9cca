"""Power cuts, and a main loop that hangs."""
import json
import time

from .peer import OWNER

# Writes a second while the import runs, so that a cut can hit its middle.
SLOW = 20
# Replies in flight at one time: so many may have reached Telegram and not the card.
DELIVERIES = 4


def power(s):
    chats = [OWNER, OWNER + 1, OWNER + 2]
    config = s.peer.config()
    config["channel_list"]["telegram"]["allow_from"] = [str(c) for c in chats]
    text = json.dumps(config, indent=2)
    moments = {
        "soon after the data partition was made": lambda names, age: age > 1.5,
        "while a file is wiped": lambda names, age: "picoclaw.old" in names,
        "between two files": lambda names, age: "picoclaw.json" not in names and "picoclaw.old" not in names,
    }
    for number, (when, now) in enumerate(moments.items()):
        if number:
            s.card = s.card.copy(s.lab.image, s.card.disk)
        s.lay(text, {"hostname": "claw-1"})
        cut_import(s, when, now, text.encode())
        polls = s.peer.polls()
        s.boot()
        s.polled(polls)
        s.check(f"cut {when}: the next boot takes the rest and polls", s.card.names().count("picoclaw.json") == 0)
    s.board.log_in()
    s.check("the host name is taken", s.board.get("hostname") == "claw-1")
    burst(s, chats)


def cut_import(s, when, now, config):
    board = s.boot()
    board.until(rb"first boot: growing", 240)
    board.disk_speed(writes=SLOW)
    begun = time.time()
    while time.time() < begun + 90 and not now(s.card.names(), time.time() - begun):
        time.sleep(0.02)
    s.cut()
    names = s.card.names()
    data = s.card.data_after_repair(s.folder / "data.img")
    stored = data and s.card.stored("picoclaw/config.d/50-boot.json", data)
    on_card = s.card.file("picoclaw.json")
    s.tell(f"        cut {when}: on the card {names}, stored {stored == config}")
    s.check(f"cut {when}: on the card or stored, whole", data and (on_card == config or stored == config), names)
    s.check(f"cut {when}: nothing half imported", stored in (None, config) and on_card in (None, config), stored)


def burst(s, chats):
    s.peer.control("reset")
    for i in range(30):
        s.peer.say(f"message {i}" + (" [tool:list_dir]" if i % 5 == 0 else ""), chats[i % 3])
    s.check("a burst is being answered", s.peer.control("wait", replied=8, timeout=180)["found"])
    s.cut()
    at_cut = s.peer.stats()["replied"]
    board = s.start()
    done = s.peer.control("wait", replied=30, timeout=300)["found"]
    books = s.peer.stats()
    s.check(f"power cut after {at_cut} of 30 answers: all are answered after the next boot", done and books["lost"] == 0, books)
    s.check(f"at most {DELIVERIES} of them twice ({books['duplicated']})", books["duplicated"] <= DELIVERIES, books)
    s.check("nothing had to be repaired by force", "repairing" not in s.log() and "damaged" not in s.log(), s.log())
    s.check("the session files are whole", board.run("grep -L . /data/picoclaw/sessions/*.jsonl")[1].strip() == "")
    s.off()
    s.check("poweroff is clean", s.card.is_clean())


def watchdog(s):
    s.lay(s.peer.config())
    board = s.start()
    s.check("the watchdog is off before a healthy minute", "watchdog: on" not in s.log())
    s.logged("watchdog: on", 180)
    s.check("and on after it", True)
    daemon = s.pid()
    marker = s.peer.say("are you there? [delay:2000]")
    time.sleep(0.5)
    board.get(f"kill -STOP {daemon}")
    begun = time.time()
    board.wait_off(180)
    s.check(f"a stopped daemon makes the watchdog reset the machine ({time.time() - begun:.0f} s)", True)
    board = s.start()
    s.check("after the reset the waiting message is answered", s.peer.answer(marker, 90))
    crash = board.read("/data/picoclaw/state/crash.txt")
    s.check("crash.txt names the watchdog", "watchdog" in crash, crash)
    s.check("the reset is counted", board.read("/data/system/watchdog").strip() == "1")
    s.check("the owner is told", s.peer.told("watchdog", 60))
    s.logged("watchdog: on", 180)
    board.wait("grep -q '^0' /data/system/watchdog", 120)
    s.check("a healthy minute behind the watchdog clears the count", True)
    board.get("/etc/init.d/S95picoclaw stop", 60)
    time.sleep(40)
    s.check("a stopped service stops the watchdog too: no reset", board.on())
