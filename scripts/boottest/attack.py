"""What a command tries that is out to get something: the rows of tests/it/attack/attempts on the image, with and without
Landlock and control groups; and outside of the sandbox, where they have to succeed."""
import os
import pathlib
import re
import subprocess

from .machine import ROOT

SOURCE = ROOT / "tests/it/attack/attempts"
HOME, OUTSIDE, BELOW = "/data/picoclaw", "/data/outside", "/data/control"
NO_LANDLOCK, NO_GROUPS = "lsm=capability", "cgroup_disable=memory picoclaw.nocgroup"
# Linux releases by the version of Landlock that they bring (tests/it/attack/mechanisms.rs).
KERNELS = {(5, 13): 1, (5, 19): 2, (6, 2): 3, (6, 7): 4, (6, 10): 5, (6, 12): 6}
# So many rows at least have to succeed where nothing keeps them from it; the others say why they may not.
SUCCEED = 180


def toolchain():
    """The board's C compiler (scripts/build/board-toolchain)."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = os.environ.get("PICOCLAW_TOOLCHAIN") or pathlib.Path(cache, "rv-toolchain")
    return pathlib.Path(folder, "bin/riscv64gc-unknown-linux-musl-cc")


def program(folder):
    """The attempts for the board."""
    made = folder / "attempts"
    sources = [SOURCE / f"{name}.c" for name in ("main", "files", "processes", "kernel")]
    subprocess.run([toolchain(), "-O1", "-s", "-static", "-pthread", "-o", made, *sources], check=True, capture_output=True)
    return made.read_bytes()


def attack(s):
    config = s.peer.config()
    config["tools"]["exec"] = {"approval": "never", "timeout_seconds": 600}
    s.lay(config, {"attempts": program(s.folder)})
    for arguments in ("", NO_GROUPS, NO_LANDLOCK, f"{NO_LANDLOCK} {NO_GROUPS}"):
        board = s.start(arguments)
        s.check(f"[{arguments}] it answers", s.ask("hello"))
        prepare(board)
        rows = listed(board)
        commands(s, board, rows, arguments)
        if not arguments:
            control(s, board, rows)
        s.off()


def prepare(board):
    """What there is to gain: files of the home, a folder of the daemon's user outside, another process of that user."""
    board.get(f"""
cd {HOME} && mkdir -p skills/s config.d {OUTSIDE}/empty
printf -- '---\\nname: s\\ndescription: a skill\\n---\\n' > skills/s/SKILL.md
[ -e config.json ] || echo '{{}}' > config.json
printf victim > {OUTSIDE}/victim; ln -sf victim {OUTSIDE}/link
cp /boot/attempts {HOME}/workspace/attempts; cp /boot/attempts {HOME}/workspace/rootid
chown -R picoclaw:picoclaw skills config.json {OUTSIDE}; chown -h picoclaw:picoclaw {OUTSIDE}/link
chown --reference {HOME}/workspace {HOME}/workspace/attempts 2>/dev/null || chown picoclaw {HOME}/workspace/attempts
chmod 640 config.json; chmod 644 {OUTSIDE}/victim; chmod 755 {OUTSIDE} {HOME}/workspace/attempts; chmod 4755 {HOME}/workspace/rootid""")


def listed(board):
    """Rows: what has to hold for each to fail, and why it may fail outside as well."""
    text = board.get(f"{HOME}/workspace/attempts --list")
    rows = [line.split("\t") for line in text.splitlines()]
    return {f"{r[0]}/{r[1]}": (r[2], r[3] if len(r) > 3 else "") for r in rows}


def outcomes(text):
    found = dict(re.findall(r"^(\S+/\S+) (done|refused|cannot) -?\d+$", text, re.M))
    return found if f"tried {len(found)}\n" in text else {}


def landlock(s, board, arguments):
    """The version in force, 0 for none; a kernel's release says which it has to be."""
    told = s.state()["tools"]
    found = re.search(r"Landlock version (\d+)|\(version (\d+)\)", told)
    version = int(found[1] or found[2]) if found else 0
    release = tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", board.get("uname -r")).groups())
    promised = max((v for since, v in KERNELS.items() if since <= release), default=0)
    wanted = 0 if NO_LANDLOCK in arguments else promised
    s.check(f"[{arguments}] nothing is left out but what this kernel lacks: Landlock {wanted}",
            version >= wanted if wanted else version == 0 and "a user of their own" in told, told)
    return version


def skipped(wall, version):
    """Without Landlock, commands have a user of their own."""
    return version == 0 and wall in ("landlock", "answers")


def state(board):
    files = f"{HOME}/config.json {HOME}/config.d/* {HOME}/skills/s/SKILL.md {OUTSIDE}/victim {OUTSIDE}/link"
    return board.get(f"stat -c '%n %a %u %g' {HOME} {HOME}/config.d {OUTSIDE} {OUTSIDE}/empty; stat -c '%n %a %u %g %s %Y' {files}; "
                     f"ls -A {HOME}/config.d {OUTSIDE}; md5sum {HOME}/config.d/* {HOME}/config.json {OUTSIDE}/victim")


def commands(s, board, rows, arguments):
    daemon = s.pid()
    other = board.get(f"{HOME}/workspace/attempts sleep {HOME} > /dev/null 2>&1 & echo $!")
    script = f"umask 002; ./attempts run {daemon} {other} {HOME} {OUTSIDE} > results.txt 2>&1; tail -n 1 results.txt"
    board.get(f"echo '{script}' > {HOME}/workspace/x.sh; chmod 755 {HOME}/workspace/x.sh")
    version, before = landlock(s, board, arguments), state(board)
    answer = s.ask('[call:exec {"command":"sh x.sh"}] done', 600)
    found = outcomes(board.read(f"{HOME}/workspace/results.txt") + "\n")
    s.check(f"[{arguments}] all {len(rows)} rows were tried", answer and len(found) == len(rows),
            board.run(f"tail -n 5 {HOME}/workspace/results.txt")[1] + str(s.peer.tool_results()))
    got = [name for name, (wall, _) in rows.items() if found.get(name) == "done" and not skipped(wall, version)]
    left = sorted(name for name, (wall, _) in rows.items() if skipped(wall, version))
    s.check(f"[{arguments}] none succeeds; left out: {' '.join(left) or 'none'}", not got, got)
    s.check(f"[{arguments}] files outside are as they were", state(board) == before, f"{before}\n{state(board)}")
    s.check(f"[{arguments}] the daemon is the same and answers", s.pid() == daemon and s.ask("still there?"))
    board.run(f"kill -9 {other}; rm -f {HOME}/workspace/results.txt")


# Without tabs, which the console's shell would complete. A home, a folder, and two processes of its owner for each row; as the owner, then as root.
CONTROL = f"""mkdir -p {BELOW} && cd {BELOW} || exit 1
cp {HOME}/workspace/attempts {HOME}/workspace/rootid . && chmod 755 attempts || exit 1
./attempts --list | cut -f1,2 | tr '\\t' / | while read row; do
  for who in owner control; do
    rm -rf h o; mkdir -p h/sessions h/state h/cron h/config.d h/skills/s h/workspace o/empty
    echo x | tee h/config.json h/sessions/telegram_1001.jsonl h/state/x h/cron/jobs.json h/config.d/a h/skills/s/SKILL.md > h/workspace/n
    printf victim > o/victim; ln -s victim o/link
    chown -R picoclaw:picoclaw h o; chown -h picoclaw:picoclaw o/link
    cp -p attempts rootid h/workspace/; chown 0 h/workspace/rootid; chmod 4755 h/workspace/rootid
    PICOCLAW_HOME=x h/workspace/attempts sleep {BELOW}/h & a=$!
    h/workspace/attempts sleep {BELOW}/h & b=$!
    until grep -q '^Uid:.*'$(id -u picoclaw) /proc/$a/status && grep -q '^Uid:.*'$(id -u picoclaw) /proc/$b/status; do :; done
    (cd h/workspace; exec 9< /dev/null; PICOCLAW_HOME=x exec ./attempts $who $a $b {BELOW}/h {BELOW}/o $row) > out 2>&1; code=$?
    kill -9 $a $b; wait $a $b 2> /dev/null
    [ $code != 42 ] || break
  done
  echo $row $code
done > results 2> errors; echo end >> results
"""


def control(s, board, rows):
    board.get(f"cat > /data/control.sh <<'END'\n{CONTROL}END")
    board.run("sh /data/control.sh", 900)
    found = dict(re.findall(r"^(\S+/\S+) (\d+)$", board.read(f"{BELOW}/results"), re.M))
    failed = [name for name, (_, why) in rows.items() if found.get(name) != "42" and not why]
    succeeded = sum(code == "42" for code in found.values())
    s.check(f"outside of the sandbox {succeeded} of them succeed", succeeded >= SUCCEED and not failed,
            f"{failed}\n{board.run(f'tail -n 5 {BELOW}/errors')[1]}")
    s.tell("        may fail outside, too: " + " ".join(name for name in rows if found.get(name) != "42"))
    board.run(f"rm -rf {BELOW} /data/control.sh")
