"""What it costs: memory, bytes to the card, time; on the board, over TLS."""
import json
import pathlib
import re
import statistics
import time

from .machine import ROOT, Trouble
from .peer import HELPER

MESSAGES = 1000
# Seconds of idleness that are watched; an hour is reckoned from them.
IDLE = 240
SETTLE = 80
# How much may be added between 100 and 1,000 messages. A leak is in RssAnon. VmRSS has besides the pages of the
# program that the last turn happened to touch, 16 kB around each fault: they come and go by more than any leak that
# could be told from them, and are never more than the program, so that VmRSS has its limit only (tests/budget.conf).
GROWTH_KB = {"rssanon_kb": 16}
# Moments at which memory is read; their medians count.
READINGS = 5


def field(text, name):
    found = re.search(rf"^{name}:\s+(\d+)", text, re.M)
    return int(found[1]) if found else 0


def memory(s):
    """VmRSS and RssAnon of the daemon, Pss of daemon and supervisor."""
    daemon = s.pid()
    status = s.board.read(f"/proc/{daemon}/status")
    supervisor = s.board.get("cat /run/picoclaw.pid")
    pss = sum(field(s.board.read(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in (daemon, supervisor))
    return {"vmrss_kb": field(status, "VmRSS"), "rssanon_kb": field(status, "RssAnon"),
            "vmhwm_kb": field(status, "VmHWM"), "total_pss_kb": pss}


def at_rest(s):
    """`memory` two seconds after an answer: of some such moments the median of each figure, and no answer lost."""
    readings = []
    for _ in range(READINGS):
        books = s.peer.drive(1, timeout=120, tool_every=0, settle=2)
        if books["lost"] or books["duplicated"]:
            raise Trouble(f"a single message: {books}")
        readings.append(memory(s))
    return {name: statistics.median(found[name] for found in readings) for name in readings[0]}


def card_writes(s, part="vda"):
    """Writes and bytes that have reached the card (Documentation/block/stat.rst: fields 5 and 7, sectors of 512)."""
    folder = "vda" if part == "vda" else f"vda/{part}"
    fields = s.board.read(f"/sys/block/{folder}/stat").split()
    return int(fields[4]), int(fields[6]) * 512


def figures(s):
    s.lay(s.peer.config())
    s.start()
    s.check("answers", s.ask("hello"))
    daemon = s.pid()
    books = s.peer.drive(100, timeout=120, tool_every=10, settle=2)
    early = at_rest(s)
    s.tell(f"        after 100 messages {json.dumps(early)}")
    s.board.get("sync")
    before, costs = card_writes(s), s.state()
    begun = time.time()
    more = s.peer.drive(MESSAGES - 100, timeout=120, tool_every=10, settle=2)
    seconds = time.time() - begun
    s.board.get("sync")
    after, spent = card_writes(s), s.state()
    late = at_rest(s)
    n = MESSAGES - 100
    s.tell(f"        after {MESSAGES} messages {json.dumps(late)}, {seconds / n * 1000:.0f} ms a message")
    lost = books["lost"] + more["lost"]
    s.check(f"{MESSAGES} messages over TLS, none lost, none twice", (lost, books["duplicated"] + more["duplicated"]) == (0, 0), more)
    s.check("by the same daemon", s.pid() == daemon)
    for name in ("vmrss_kb", "rssanon_kb", "total_pss_kb"):
        s.figure(name, late[name])
    s.figure("vmrss_kb_after_100", early["vmrss_kb"])
    s.figure("rssanon_kb_after_100", early["rssanon_kb"])
    peak = s.board.read("/sys/fs/cgroup/picoclaw/daemon/memory.peak").strip()
    s.figure("cgroup_peak_kb", int(peak) // 1024 if peak else None)
    s.figure("image_bytes", pathlib.Path(s.lab.image).stat().st_size)
    s.figure("binary_bytes", int(s.board.get("stat -c %s /usr/bin/picoclaw")))
    s.figure("root_bytes", 1024 * int(s.board.get("df -k / | awk 'END { print $3 }'")))
    s.figure("fsyncs_per_message", round((spent["syncs"] - costs["syncs"]) / n, 2))
    s.figure("card_bytes_per_message", round((after[1] - before[1]) / n))
    idle(s)
    budget(s)


def busy(s):
    """The same with everything at work: a heartbeat, jobs, ten sub-agents."""
    s.lay(s.peer.config({"heartbeat": {"interval": 5}}))
    s.start()
    s.check("answers", s.ask("hello"))
    # The next heartbeat is due when the last one is five minutes old; the clock is set to it while nobody runs.
    s.board.get("echo '- [say:HEARTBEAT_OK] look whether the card is full' >> /data/picoclaw/workspace/HEARTBEAT.md")
    polls = s.peer.polls()
    s.board.run("/etc/init.d/S95picoclaw stop; date -s @$(($(date +%s) + 400)); /etc/init.d/S95picoclaw start", 60)
    s.polled(polls)
    beat = until(lambda: "Heartbeat: nobody is writing" in json.dumps(s.peer.control("requests", last=20)), 60)
    s.check("a heartbeat asked the model", beat)
    daemon = s.pid()
    s.check("a job that repeats is set", s.ask(
        'Water! [call:cron {"action":"add","message":"Drink something","every_seconds":60,"deliver":true}] [say:"Set."]'))
    for number in range(1, 11):
        s.ask(f"Count my notes, {number}. {HELPER}")
        if not until(lambda: heard(s, "Your helper has counted") >= number, 60):
            raise Trouble(f"sub-agent {number} did not report")
    s.check("ten sub-agents reported", True)
    books = s.peer.drive(MESSAGES, timeout=120, tool_every=10, settle=2)
    s.check("the job fired", until(lambda: heard(s, "Drink something"), 90))
    s.check(f"{MESSAGES} messages, none lost, none twice", (books["lost"], books["duplicated"]) == (0, 0), books)
    s.check("by the same daemon", s.pid() == daemon)
    found = at_rest(s)
    s.tell(f"        with everything at work {json.dumps(found)}")
    s.figure("busy_vmrss_kb", found["vmrss_kb"])
    limit = limits(s).get("VMRSS_KB")
    if limit is None:
        not_promised(s, "busy_vmrss_kb", found["vmrss_kb"])
    else:
        s.check(f"busy_vmrss_kb: {found['vmrss_kb']}, at most {limit}", found["vmrss_kb"] <= limit)


def until(holds, seconds):
    """Waits for a condition; whether it came."""
    end = time.time() + seconds
    while not holds():
        if time.time() > end:
            return False
        time.sleep(0.3)
    return True


def heard(s, words):
    """How many of the bot's messages have these words."""
    return sum(words in sent["text"] for sent in s.peer.control("sent")["sent"])


def idle(s):
    """Nobody says anything."""
    # The file system's afterthoughts first: it writes what is 30 s old, and looks each 5 s.
    time.sleep(SETTLE)
    parts = ("vda1", "vda2", "vda3")
    before = [card_writes(s, part)[0] for part in parts]
    begun = time.time()
    time.sleep(IDLE)
    found = [card_writes(s, part) for part in parts]
    s.board.get("sync")
    writes = []
    for part, was, (now, size) in zip(parts, before, found):
        # What was still to be written counts; the flush that sync ends with is counted as a write of no bytes, and is ours.
        synced, larger = card_writes(s, part)
        writes.append((synced if larger > size else now) - was)
    seconds = time.time() - begun
    s.tell(f"        {seconds:.0f} s of idleness: writes to {dict(zip(parts, writes))}")
    # The hourly save of the time is outside of the window: it comes an hour after a time server's first answer.
    s.figure("idle_writes_per_hour", round(sum(writes) * 3600 / seconds + 1, 1))
    s.figure("idle_seconds_watched", round(seconds))


def budget_file():
    """The figures that are to be reached: tests/budget.conf, BOARD_*."""
    found = re.findall(r"^BOARD_(\w+)=(\d+)", (ROOT / "tests/budget.conf").read_text(), re.M)
    return {name: int(limit) for name, limit in found}


def limits(s):
    """Those of the route by which the program was made."""
    return s.lab.route.limits(budget_file())


def not_promised(s, name, value):
    """A figure without a limit on this route."""
    s.tell(f"        {name}: {value}, not promised for a program of the route {s.lab.route.name}")


def budget(s):
    """They are reached."""
    promised = limits(s)
    for name in budget_file():
        value, limit = s.lab.figures.get(name.lower()), promised.get(name)
        if limit is None:
            not_promised(s, name.lower(), value)
        else:
            s.check(f"{name.lower()}: {value}, at most {limit}", value is not None and value <= limit)
    for name, limit in GROWTH_KB.items():
        growth = s.lab.figures[name] - s.lab.figures[f"{name}_after_100"]
        s.check(f"{name}: flat from 100 to {MESSAGES} messages (grew by {growth} kB, at most {limit})", growth <= limit)
