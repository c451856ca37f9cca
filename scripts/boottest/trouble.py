"""A network, a clock, a disk or a configuration that is not as it should be."""
import json
import re
import time


def offline(s):
    s.lay(s.peer.config())
    board = s.boot("", "--rtc", "1970-01-01T00:00:00")
    board.network(False)
    board.log_in()
    daemon = s.pid(120)
    s.check("starts without network and with the clock at 1970", s.peer.polls() == 0)
    s.check("the clock is lifted to the last known time", int(board.get("date +%Y")) >= 2025 and
            board.read("/run/picoclaw/clock").startswith("floor"), board.get("date"))
    board.wait("picoclaw status | grep -q 'no connection\\|starting'", 60)
    s.check("status answers and says that nothing is received", True)
    board.network(True)
    s.polled(0, 240)
    board.wait("grep -q ^synced /run/picoclaw/clock", 240)
    off = abs(int(board.get("date +%s")) - time.time())
    s.check("network and clock come back", off < 60, f"{off} s")
    s.check("and the assistant answers", s.ask("hello"))
    s.check("the same daemon all the time", s.pid() == daemon)
    stall(s, board, daemon)


def stall(s, board, daemon):
    """Nothing reaches the card for five seconds."""
    s.state()
    board.disk_speed(bytes_written=1)
    begun = time.time()
    before = s.peer.stats()["delivered"]
    marker = s.peer.say("the card stalls")
    time.sleep(1)
    s.check("a card that stalls: the message is fetched", s.peer.stats()["delivered"] > before)
    status = s.state()
    took = time.time() - begun
    s.check(f"the main loop goes on (status after {took:.1f} s)",
            took < 5 and status["gateway"].startswith("running"), status)
    time.sleep(max(0.0, begun + 5 - time.time()))
    polls = s.peer.polls()
    board.disk_speed()
    s.check("after 5 s the message is answered", s.peer.answer(marker, 60))
    s.check("polling goes on", s.peer.wait_polls(polls + 1, 60))
    s.check("by the same daemon", s.pid() == daemon)


def disk(s):
    s.lay(s.peer.config())
    board = s.start()
    s.check("answers before", s.ask("hello"))
    daemon = s.pid()
    board.run("dd if=/dev/zero of=/data/filler bs=4k 2>/dev/null; dd if=/dev/zero of=/data/filler2 bs=1 count=4096 2>/dev/null", 180)
    answers = [s.ask(f"full {i} " + "x" * 3500) for i in range(5)]
    s.check("a full data partition: messages are answered", all(answers), answers)
    told = s.peer.told("durability: off", 60)
    s.check("and it says that it cannot promise to keep them", told, s.state()["durability"])
    board.get("rm /data/filler /data/filler2; sync")
    s.check("with room again it answers", s.ask("room again") and s.ask("and again"))
    s.check("and durability is on", s.peer.told("durability: on", 60), s.state()["durability"])

    # As the kernel does on errors: everything read-only, open files or not.
    board.get("echo u > /proc/sysrq-trigger; sleep 2; grep -q ' /data ext4 ro' /proc/mounts")
    answers = [s.ask(f"read-only {i}") for i in range(3)]
    s.check("a data partition that turns read-only: messages are answered", all(answers), answers)
    s.check("and status says so", "off" in s.state()["durability"], s.state()["durability"])
    s.check("by the same daemon", s.pid() == daemon)

    board = s.start("", "--read-only")
    s.check("boots from a card that takes no writes", " /data ext4 ro" in board.read("/proc/mounts"), board.read("/proc/mounts"))
    s.check("answers there too", s.ask("hello") and s.ask("once more"))
    s.check("and says so", "off" in s.state()["durability"], s.state()["durability"])


def invalid(s):
    s.lay({"agents": {"defaults": {"model_name": 5}}, "model_list": 7})
    board = s.boot()
    begun = time.time()
    board.log_in()
    s.logged("the daemon ends again and again", 180)
    s.check("a first boot with an invalid configuration: tries, then rests", True)
    found = s.in_status_file(r"model_list")
    s.check("picoclaw.status.txt says what is wrong", found, s.card.status())
    status, lines = board.run("picoclaw status")
    s.check("so do the log and status", "model_list" in s.log() and "model_list" in lines, lines)
    time.sleep(max(0.0, begun + 150 - time.time()))
    s.check("the watchdog was never opened, the machine has not reset", board.on() and "watchdog: on" not in s.log() and
            float(board.get("cut -d' ' -f1 /proc/uptime")) > 100)
    s.off()

    s.lay(s.peer.config(token="1:wrong"), console=False)
    board = s.boot()
    board.log_in()
    found = s.in_status_file(r"(?i)token")
    s.check("a wrong token is named in picoclaw.status.txt", found, s.card.status())
    board.wait("picoclaw status | grep -i -q 'token.*refused\\|refused.*token'", 60)
    s.check("and in status and log", re.search("(?i)token", s.log()))
    secrets = [where for where, text in (("status file", s.card.status()), ("log", s.log())) if "1:wrong" in text]
    s.check("which show no secret", not secrets, secrets)
    s.off()

    s.lay(s.peer.config(), console=False)
    polls = s.peer.polls()
    s.boot()
    s.polled(polls)
    s.check("with the right token it answers", s.ask("hello"))
    s.check("and the card is clean of secrets", "picoclaw.json" not in s.card.names())
