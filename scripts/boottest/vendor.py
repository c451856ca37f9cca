"""The overlay on a vendor's image: a BusyBox root with a Go version's service, no control groups, no Landlock.

What is asserted: power lost in the middle of the installation leaves one of the two working; its memory is taken
over; commands get another user, and what they must not reach they do not; removed, the Go version is back."""
import json
import pathlib
import re
import shutil
import struct
import subprocess

from .card import Card, call
from .machine import ROOT, Trouble
from .scene import BOOT

# As vendors' kernels are.
ARGUMENTS = "cgroup_disable=memory lsm=capability"
HOME = "/var/lib/picoclaw"
STATUS = f"PICOCLAW_HOME={HOME} /usr/lib/picoclaw/picoclaw status"
ROOT_MB = 48
GO_FILES = "find /root/.picoclaw -type f | sort | xargs md5sum"

FILES = {
    "etc/inittab": "::sysinit:/etc/init.d/rcS\nttyS0::respawn:/bin/sh\n::shutdown:/etc/init.d/rcK\n",
    # Buildroot's, shortened; the vendor's image trusts the test's CA.
    "etc/init.d/rcS": """#!/bin/sh
export SSL_CERT_FILE=/etc/ca.pem
for i in /etc/init.d/S??*; do
	[ -f "$i" ] || continue
	"$i" start
done
""",
    "etc/init.d/rcK": """#!/bin/sh
for i in $(ls -r /etc/init.d/S??*); do "$i" stop; done
sync
""",
    "etc/init.d/S01fs": """#!/bin/sh
[ "$1" = start ] || exit 0
mount -o remount,rw,noatime /
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t vfat /dev/vda1 /boot
""",
    "etc/init.d/S30network": """#!/bin/sh
[ "$1" = start ] || exit 0
modprobe virtio_net
ip link set lo up
for n in 1 2 3 4 5; do ip link set eth0 up 2>/dev/null && break; sleep 1; done
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
""",
    # Its program is BusyBox under the Go program's name: what runs is /usr/bin/picoclaw, as the overlay looks for it.
    "etc/init.d/S96picoclaw": """#!/bin/sh
case $1 in
start) start-stop-daemon -S -b -m -p /run/picoclaw-go.pid -x /usr/lib/go/sleep -- 1000000 ;;
stop) start-stop-daemon -K -p /run/picoclaw-go.pid ;;
esac
""",
    "root/.picoclaw/workspace/memory/MEMORY.md": "# Memory\n\nThe owner likes cherry tea.\n",
    "root/.picoclaw/workspace/AGENT.md": "# How to work\n\nBriefly.\n",
    "root/.picoclaw/logs/big.log": "x" * 1000,
    "root/.picoclaw/.picoclaw.pid": "{}",
}


def disk(s):
    """A card in the vendor's layout from the image's own packages: kernel, BusyBox, modules; nothing of ours but the archive."""
    work = s.folder
    whole = s.card.disk.read_bytes()
    first, count = struct.unpack_from("<II", whole, 446 + 16 + 8)
    (work / "ours.ext4").write_bytes(whole[first * 512:(first + count) * 512])
    fs = work / "vendor-root"
    fs.mkdir()
    call("debugfs", "-R", f"rdump / {fs}", work / "ours.ext4")
    binary = work / "picoclaw"
    (fs / "usr/bin/picoclaw").rename(binary)
    made = subprocess.run([ROOT / "scripts/packaging/vendor-overlay", "--binary", binary, "--output", work / "overlay"],
                          check=True, capture_output=True, text=True).stdout.split()
    shutil.copy(fs / "etc/picoclaw/ca.pem", fs / "etc/ca.pem")
    for name in ("usr/sbin/picoclaw-import", "usr/sbin/picoclaw-growpart", "etc/default/picoclaw", "etc/resolv.conf", "etc/shadow"):
        (fs / name).unlink()
    for name in ("usr/share/picoclaw", "usr/share/zoneinfo", "etc/picoclaw", "etc/init.d", "usr/lib/riscv64-linux-gnu", "var/lib/picoclaw", "lost+found"):
        shutil.rmtree(fs / name)
    for name in ("passwd", "group"):
        lines = (fs / "etc" / name).read_text().splitlines(keepends=True)
        (fs / "etc" / name).write_text("".join(line for line in lines if not line.startswith("picoclaw")))
    # Vendors' BusyBoxes have it all.
    busybox = fs / "usr/bin/busybox"
    words = busybox.read_bytes().split(b"\0")
    applets = words[words.index(b"["):words.index(b"zcat") + 1]
    for name in (word.decode() for word in applets if re.fullmatch(rb"\[|[a-z][a-z0-9_.+-]*", word)):
        for folder in ("usr/bin", "usr/sbin"):
            if (fs / folder / name).is_symlink() or (fs / folder / name).exists():
                break
        else:
            (fs / "usr/bin" / name).symlink_to("busybox")
    shutil.copy(busybox, fs / "usr/bin/picoclaw")
    (fs / "usr/lib/go").mkdir()
    (fs / "usr/lib/go/sleep").symlink_to("/usr/bin/picoclaw")
    config = s.peer.config()
    config.update(version=3, model_list=[{"model_name": "test", **config["model_list"]["test"]}])
    config["agents"]["defaults"]["workspace"] = "/root/.picoclaw/workspace"
    for name, text in {**FILES, "root/.picoclaw/config.json": json.dumps(config, indent=2)}.items():
        (fs / name).parent.mkdir(parents=True, exist_ok=True)
        (fs / name).write_text(text)
    for script in (fs / "etc/init.d").iterdir():
        script.chmod(0o755)
    call("fakeroot", "sh", "-c", 'chown -hR 0:0 "$1" && mke2fs -q -t ext4 -d "$1" "$2" "$3M"', "sh", fs, work / "vendor.ext4", ROOT_MB)
    entry = whole[446 + 16:446 + 28] + struct.pack("<I", ROOT_MB * 2048)
    with open(s.card.disk, "r+b") as file:
        file.truncate(first * 512)
        file.seek(446 + 16)
        file.write(entry + bytes(16))
        file.seek(first * 512)
        file.write((work / "vendor.ext4").read_bytes())
    shutil.rmtree(fs)
    s.card = Card(s.card.disk)
    s.card.put("overlay.tgz", pathlib.Path(made[0]).read_bytes())


def power_on(s):
    """A root shell on the console, which asks for nothing."""
    board = s.boot(ARGUMENTS)
    board.until(rb"# ", BOOT)
    board.send("stty -echo; PS1=; PS2=; echo REA''DY\n")
    board.until(rb"READY\r?\n", 60)
    board.shell = True
    return board


def who(board):
    """Programs by that name: `go`, `ours`."""
    links = board.run("for p in /proc/[0-9]*; do readlink $p/exe; done")[1].split()
    return {"go" if link == "/usr/bin/picoclaw" else "ours" for link in links if link.endswith("/picoclaw")}


def vendor(s):
    disk(s)
    board = power_on(s)
    s.check("the vendor's system runs the Go version, without control groups and Landlock",
            who(board) == {"go"} and "cgroup" not in board.read("/proc/mounts")
            and "landlock" not in board.run("mount -t securityfs none /sys/kernel/security; cat /sys/kernel/security/lsm")[1],
            board.read("/sys/kernel/security/lsm"))
    board.get("cd /root && tar -xzf /boot/overlay.tgz && mv picoclaw-vendor-* overlay && sync", 120)
    before = board.get(GO_FILES)
    # The plug, while the home is copied: nothing has changed hands yet.
    board.send("/root/overlay/install.sh\n")
    board.until(rb"copying /root/.picoclaw", 120)
    board = power_on(s)
    s.check("power lost while files are copied: the Go version goes on", who(board) == {"go"}, who(board))
    # And between the change and the first start.
    status, text = board.run("PICOCLAW_TEST_CUT=after /root/overlay/install.sh", 180)
    s.check("installed up to the change", status == 137, text)
    polls = s.peer.polls()
    board = power_on(s)
    s.polled(polls)
    s.check("power lost after it: the next boot finishes it, and only ours runs", who(board) == {"ours"}, who(board))
    installed(s, board, before)
    escapes(s, board)
    removed(s, board, before)


def installed(s, board, before):
    s.check("a message is answered", s.ask("hello"))
    asked = json.dumps(s.peer.control("requests", last=5))
    s.check("with the Go version's memory", "likes cherry tea" in asked, asked[-2000:])
    s.check("whose files are as they were", board.get(GO_FILES) == before)
    told = json.loads(board.get(f"{STATUS} --json"))
    s.check("status says that limits are rlimits, and why", told["limits"]["mode"] == "rlimit" and told["limits"]["why"], told["limits"])
    s.check("and that commands run as a user of their own", "a user of their own+seccomp (no Landlock" in told["tools"], told["tools"])
    status = board.read(f"/proc/{board.get('cat /run/picoclaw/daemon.pid')}/status")
    s.check("the daemon runs as user picoclaw", re.search(rf"^Uid:\s+{board.get('id -u picoclaw')}\s", status, re.M), status)


def escapes(s, board):
    """Commands of the model, by a script that the guard does not read into."""
    daemon = board.get("cat /run/picoclaw/daemon.pid")
    script = f"""
id -un
echo kept > made.txt && cat made.txt
{{ cat {HOME}/config.json {HOME}/state/config.last-good.json {HOME}/config.d/20-vendor.json; }} 2>/dev/null | head -c 20
cat /proc/{daemon}/environ /proc/{daemon}/mem 2>/dev/null | head -c 20
ls /proc/{daemon}/fd 2>/dev/null
kill -9 {daemon} 2>/dev/null && echo KILLED
kill -9 $(cat /var/run/picoclaw-supervisor.pid) 2>/dev/null && echo KILLED
(echo x > /etc/escaped) 2>/dev/null && echo WROTE
(echo x > {HOME}/state/escaped) 2>/dev/null && echo WROTE
(ln -s {HOME}/config.json link && cat link) 2>/dev/null | head -c 20
head -c 4 /dev/vda >/dev/null 2>&1 && echo DEVICE
mount -t tmpfs none /tmp 2>/dev/null && echo MOUNTED
su root -c id 2>/dev/null | grep -q uid=0 && echo ROOT
PICOCLAW_HOME={HOME} /usr/lib/picoclaw/picoclaw agent -m hi 2>/dev/null | grep -q . && echo TALKED
(sleep 4321 &) ; (setsid sleep 4321 > /dev/null 2>&1 &)
echo tried
"""
    s.check("what must not come out is there", '"agents"' in board.get(f"head -c 20 {HOME}/config.json"))
    results = " ".join(s.script(f"{HOME}/workspace", "x.sh", script, 180))
    s.check("a command runs as picoclaw-tool and works in the workspace",
            "picoclaw-tool\nkept\n" in results.replace("\\n", "\n") and "tried" in results, results)
    loot = [word for word in ("model_list", "version", "PATH=", "KILLED", "WROTE", "DEVICE", "MOUNTED", "ROOT", "TALKED", '"agents"')
            if word in results]
    s.check("no way out: files, memory and processes of the daemon, devices, mounts, root, the control socket", not loot, results)
    s.check("the daemon is the same", board.get("cat /run/picoclaw/daemon.pid") == daemon)
    try:
        board.wait("! ps | grep -v grep | grep 'sleep 4321'", 30)
        left = ""
    except Trouble:
        left = board.run("ps")[1]
    s.check("nothing of the command is left", not left, left)


def removed(s, board, before):
    board.get("/usr/lib/picoclaw/uninstall.sh && sync", 120)
    try:
        board.wait("[ -s /run/picoclaw-go.pid ] && kill -0 $(cat /run/picoclaw-go.pid)", 60)
    except Trouble:
        pass
    s.check("removed, the Go version runs at once", who(board) == {"go"}, who(board))
    board = power_on(s)
    s.check("and after the next boot, with its files as they were", who(board) == {"go"} and board.get(GO_FILES) == before)
    left = board.run("ls -d /usr/lib/picoclaw /etc/init.d/S9[45]picoclaw* /etc/default/picoclaw /usr/share/picoclaw 2>/dev/null")[1]
    s.check("nothing of ours is left but the conversations", not left.strip() and board.run(f"[ -d {HOME}/workspace ]")[0] == 0, left)
    polls = s.peer.polls()
    s.check("and nobody polls", not s.peer.wait_polls(polls + 1, 5))
