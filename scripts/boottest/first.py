"""A new card's life: first boot, pairing, a conversation, limits, a crash, power off; then a second boot."""
import json
import re
import time

FIVE_MB = 5 << 20
WORKSPACE = "/data/picoclaw/workspace"


def first(s):
    config = s.peer.config()
    config["channel_list"]["telegram"]["allow_from"] = []
    # As Notepad leaves it: byte order mark, CRLF; and a name without a last newline.
    s.lay(b"\xef\xbb\xbf" + json.dumps(config, indent=1).replace("\n", "\r\n").encode(), {"hostname": "claw-1"})
    board = s.boot(uboot=True)
    s.polled(0)
    polled = time.time()
    s.check("boots unattended from U-Boot and polls over TLS", True)
    board.log_in()
    up, now = float(board.get("cut -d' ' -f1 /proc/uptime")), time.time()
    init = now - up + int(board.get("awk '{ print $22 }' /proc/$(cat /run/syslogd.pid)/stat")) / 100
    s.figure("boot_s", round(init - board.started, 1))
    s.figure("init_to_first_poll_s", round(polled - init, 1))
    imported(s, board)
    rights(s, board)
    pairing(s)
    conversation(s)
    limits(s, board)
    attributes(s, board)
    everyday(s, board)
    hog(s, board)
    killed(s, board)
    s.off()
    s.check("poweroff leaves a clean data partition", s.card.is_clean())
    second(s)


def imported(s, board):
    left = [n for n in s.card.names() if n in ("picoclaw.json", "root.hash", "hostname")]
    s.check("what was imported has left the card", not left, left)
    s.check("the configuration is stored for the user alone",
            board.get("stat -c '%a %U' /data/picoclaw/config.d/50-boot.json") == "600 picoclaw")
    s.check("the host name is taken", board.get("hostname") == "claw-1")
    mounts = board.read("/proc/mounts")
    for place in ("/", "/boot"):
        s.check(f"{place} is mounted read-only", re.search(rf"^\S+ {place} \S+ ro[, ]", mounts, re.M), mounts)
    blocks = int(board.get("df -k /data | awk 'END { print $2 }'"))
    s.check("the data partition has grown to the card's end", blocks > 100_000, f"{blocks} kB")
    listening = board.get("netstat -lnt | awk 'NR > 2 { print $4 }'").split()
    s.check("nobody listens but the daemon, on loopback", all(a.startswith("127.0.0.1:") for a in listening), listening)


def rights(s, board):
    status = board.read(f"/proc/{s.pid()}/status")
    user = board.get("id -u picoclaw")
    s.check("the daemon runs as user picoclaw", re.search(rf"^Uid:\s+{user}\s+{user}\s+{user}", status, re.M), status)
    s.check("without capabilities, with no_new_privs",
            re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M), status)


def pairing(s):
    s.peer.command("hello")
    s.check("a stranger is told how to pair", s.peer.told("I do not know you yet", 60))
    found = s.in_status_file(r"(?s)Imported from this card: picoclaw.json.*https://t.me/peer_bot.*Pairing code: (\w{8})")
    s.check("picoclaw.status.txt names what was taken, the bot and its pairing code", found, s.card.status())
    if found:
        s.peer.command(f"/pair {found[1]}")
        s.check("the code from picoclaw.status.txt pairs", s.peer.told("Paired:", 60))


def conversation(s):
    answer = s.ask('My bicycle is green. [call:write_file {"path":"note.txt","content":"green"}] '
                   '[call:exec {"command":"id -un; cat note.txt"}]')
    results = " ".join(s.peer.tool_results())
    s.check("a conversation over TLS with tool calls", answer and "green" in results, results)
    s.check("commands run as picoclaw-tool", "picoclaw-tool" in results, results)
    told = s.state()["tools"]
    s.check("inside Landlock, seccomp and a user of their own", "a user of their own+landlock+seccomp" in told, told)


def limits(s, board):
    at = "/sys/fs/cgroup/picoclaw"
    values = {name: board.read(f"{at}/{name}").strip() for name in
              ("daemon/memory.high", "daemon/memory.max", "daemon/memory.swap.max", "daemon/pids.max", "tools/memory.max")}
    wanted = {"daemon/memory.high": "6291456", "daemon/memory.max": "8388608", "daemon/memory.swap.max": "0",
              "daemon/pids.max": "64", "tools/memory.max": "33554432"}
    # Debian's kernel may be built without swap accounting: the file is then missing, and named as skipped.
    told = s.state()["limits"]
    skipped = told.get("skipped", [])
    s.check("the kernel gives the limits back", all(values[n] == w or n in skipped for n, w in wanted.items()), values)
    s.check("the daemon is in its leaf", board.read(f"/proc/{s.pid()}/cgroup").strip().endswith("/picoclaw/daemon"))
    s.check("status says the same", told["mode"] == "cgroup" and told["daemon"]["memory.max"] == "8388608", told)


ATTRIBUTES = """cd ..
chmod 755 . config.d state
chmod 0 workspace
touch -d 2001-01-01 config.d
cd workspace
cp /bin/busybox shell
chmod 4755 shell
chmod 700 shell
mkdir shared
chmod 2770 shared
echo tried"""


def attributes(s, board):
    """Landlock does not look at chmod and utimes: the daemon answers these calls of commands."""
    seen = "ls -ldn /data/picoclaw /data/picoclaw/config.d /data/picoclaw/state"
    before = board.get(seen)
    results = " ".join(s.script(WORKSPACE, "attributes.sh", ATTRIBUTES))
    s.check("a command cannot change modes and times of the assistant's files", "tried" in results and board.get(seen) == before, results)
    made = board.get(f"ls -ld {WORKSPACE} {WORKSPACE}/s*")
    s.check("but those of the workspace, without set-user-id",
            "-rwx------" in made and re.search(r"^drwx\S*\s.* \S*/workspace$", made, re.M) and re.search(r"^drwxrws---", made, re.M), made)
    board.get(f"rm -r {WORKSPACE}/shell {WORKSPACE}/shared")


# What people have it run; each prints the same at two moments.
EVERYDAY = """id -u
whoami
id -gn
hostname
uname -srm
date +%Z
date -d @86400 +%F
cat /etc/os-release
cat /etc/hosts
grep -c . /etc/resolv.conf
nslookup localhost
ls -ln /etc/ssl/certs
head -c 64 /etc/ssl/certs/ca-certificates.crt
wget --help
expr 6 '*' 7
printf '%s\n' b a | sort
seq 1 50 | awk '{ s += $1 } END { print s }'
echo hello | sed s/l/L/g
echo hello | md5sum
echo hello | gzip -c | gunzip -c
tar -cf - /etc/hosts | tar -tf -
find /usr/share -maxdepth 1
df -P / | wc -l
cat /proc/cpuinfo
cat /proc/version
cat /sys/class/net/lo/mtu
ls /bin
ls -d /usr/sbin
which sh
getconf PAGESIZE
stty --help
vi --help
env -i sh -c 'echo $((1 << 20))'
test -r /dev/urandom && echo random
: > /dev/null && echo null
ping -c 1 -W 1 127.0.0.1 > x; wc -l < x
cat /etc/passwd | wc -l
crontab --help
dmesg --help
xargs --help"""


def everyday(s, board):
    """Everyday commands print the same in the sandbox as outside, as the same user."""
    text = ("PATH=/usr/bin:/bin:/usr/sbin:/sbin; n=0; while read -r line; do n=$((n + 1)); (eval \"$line\") 2>&1 < /dev/null | md5sum | sed s/^/$n:/; done <<'L'\n"
            + EVERYDAY + "\nL")
    inside = next((r for r in reversed(s.script(WORKSPACE, "everyday.sh", text, 120)) if "1:" in r), "").split()
    user = board.get(f"ls -l {WORKSPACE}/x | awk '{{ print $3 }}'")
    outside = board.get(f"su -s /bin/sh {user} -c 'cd {WORKSPACE}; HOME={WORKSPACE} sh everyday.sh'").split()
    differ = [EVERYDAY.splitlines()[int(o.split(":")[0]) - 1] for o, i in zip(outside, inside) if o != i and ":" in o]
    s.check("everyday commands print the same inside the sandbox", len(outside) == len(inside) > 70 and not differ,
            f"{len(outside)} and {len(inside)} lines; {differ}")


def hog(s, board):
    before = s.pid()
    results = s.script(WORKSPACE, "hog.sh", """awk 'BEGIN { s = "x"; while (1) s = s s }'""", 180)
    events = board.read("/sys/fs/cgroup/picoclaw/tools/memory.events")
    kills = re.search(r"^oom_kill (\d+)", events, re.M)
    s.check("a tool that eats memory is killed", kills and int(kills[1]) > 0, events + str(results))
    s.check("and the assistant continues", results and s.pid() == before and s.ask("still there?"), results)


def killed(s, board):
    before, asked = s.pid(), s.peer.stats()["calls"].get("llm.chat", 0)
    marker = s.peer.say("think [delay:4000]")
    s.peer.control("wait", calls="llm.chat", n=asked + 1, timeout=60)
    board.get(f"kill -9 {before}")
    s.check("kill -9 in the middle of a turn: the message is answered all the same", s.peer.answer(marker, 120))
    s.check("by a new daemon", s.pid() != before)
    books = s.peer.stats()
    s.check("nothing is lost, nothing answered twice", (books["lost"], books["duplicated"]) == (0, 0), books)
    crash = board.read("/data/picoclaw/state/crash.txt")
    s.check("crash.txt has signal, build id, uptime and log",
            all(word in crash for word in ("signal 9", "build id: ", "uptime: ", "last log lines:\n  ")), crash)
    s.check("the owner is told", s.peer.told("signal 9", 60))
    s.check("and status shows it", "signal 9" in s.status_lines(), s.status_lines())


def second(s):
    """The same card again: bad files on it, and a kernel without memory limits."""
    s.lay('{\n  "agents": {\n    "x" 1\n  }\n}', console=False, files={
        "hostname": "../../etc/passwd", "authorized_keys": b"k" * FIVE_MB, "wifi.ssid": None})
    s.card.name_with_slash()
    told = len(s.peer.control("sent")["sent"])
    board = s.start("cgroup_disable=memory picoclaw.nocgroup")
    s.check("a second boot knows its user and the conversation",
            s.ask("which colour?") and "bicycle is green" in json.dumps(s.peer.control("requests", last=20)))
    again = [m for m in s.peer.control("sent")["sent"][told:] if "signal 9" in m["text"]]
    s.check("a crash is told only once", not again, again)
    s.check("cgroups are off", "cgroup" not in board.read("/proc/mounts"))
    limits, lines = s.state()["limits"], s.status_lines()
    s.check("status says rlimit and why", limits["mode"] == "rlimit" and limits["why"], limits)
    held = board.read(f"/proc/{s.pid()}/limits")
    s.check("RLIMIT_DATA is in force", re.search(r"^Max data size +16777216 ", held, re.M), held)
    s.check("and oom_score_adj", board.read(f"/proc/{s.pid()}/oom_score_adj").strip() == "-250")
    s.check("the log says it", "limits: rlimit" in s.log())
    bad_card(s, lines)
    s.off()
    s.check("poweroff is clean again", s.card.is_clean())


def bad_card(s, lines):
    wanted = {
        "picoclaw.json": "line 3 column 9",
        "hostname": "a host name has 1 to 63",
        "authorized_keys": "larger than 64 KiB",
        "wifi.ssid": "a folder, where a file belongs",
    }
    text, log = s.card.status(), s.log()
    for name, wrong in wanted.items():
        line = f"{name}: .*{re.escape(wrong)}"
        where = {"picoclaw.status.txt": text, "the log": log, "picoclaw status": lines}
        missing = [place for place, said in where.items() if not re.search(line, said)]
        s.check(f"a bad {name} is explained in picoclaw.status.txt, log and status", not missing, missing)
    left = s.card.names()
    s.check("bad files stay on the card", all(name in left for name in wanted), left)
    s.check("the last good configuration is in force", "api_base" in s.board.read("/data/picoclaw/config.d/50-boot.json"))
    s.check("a name with ../ in it has done nothing", s.board.run("ls /x.json /data/x.json")[0] != 0)
    s.check("the host name is the good one", s.board.get("hostname") == "claw-1")
    s.check("SSH stays off", not s.board.read("/run/dropbear.pid"))
