"""The campaign `power`: power cuts at random moments, counted. Started by scripts/check/campaign."""
import json
import random
import re
import time

from .peer import OWNER

# Seconds from Telegram's acceptance of a reply to our record of it on an emulated board.
WINDOW = 3
EFFECTS = "/data/picoclaw/workspace/effects.txt"


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def cuts(s):
    seed, count = s.lab.seed, s.lab.cuts
    dice = random.Random(seed)
    chats = [OWNER, OWNER + 1, OWNER + 2]
    config = s.peer.config()
    config["channel_list"]["telegram"]["allow_from"] = [str(c) for c in chats]
    s.lay(config)
    s.start()
    s.peer.control("reset")
    moments, damaged, said, effects = [], 0, 0, 0
    for number in range(count):
        for _ in range(dice.randint(1, 8)):
            text = f"message {said}"
            if dice.random() < 0.25:
                text += " [tool:list_dir]"
            if dice.random() < 0.4:
                effects += 1
                call = json.dumps({"path": "effects.txt", "content": f"e{effects};\n"})
                text += f" [call:append_file {call}]"
            if dice.random() < 0.25:
                text += f" [delay:{dice.randint(0, 800)}]"
            s.peer.say(text, dice.choice(chats))
            said += 1
            time.sleep(dice.random() * 0.3)
        time.sleep(dice.random() * 2)
        s.cut()
        moments.append(time.time())
        if not s.card.data_after_repair(s.folder / "data.img"):
            damaged += 1
            s.tell("        the data partition needs a person")
        polls = s.peer.polls()
        s.boot()
        # One in four is cut off while it boots or recovers, as often as not before it has mounted anything.
        if dice.random() < 0.25:
            s.peer.wait_polls(polls + 1, dice.random() * 15)
        else:
            s.polled(polls)
        if number % 10 == 9:
            s.tell(f"        {number + 1} cuts, {said} messages")
    s.cut()
    s.start()
    s.peer.control("wait", replied=said, timeout=300)
    time.sleep(WINDOW)
    now, books = time.time(), s.peer.stats()
    lines = s.board.read(EFFECTS).split()
    repeated = len(lines) - len(set(lines))
    damaged += sum(1 for line in lines if not (line.startswith("e") and line[1:-1].isdigit() and line.endswith(";")))
    # Piece of a line: what a cut may leave. A line behind it in the same line is lost to all readers.
    odd = s.board.run("cat /data/picoclaw/sessions/*.jsonl | tr '\\000' '0' | grep -v '^{.*}$'")[1].splitlines()
    hidden = sum(any(is_json(line[m.start():]) for m in re.finditer('{"role', line)) for line in odd)
    damaged += hidden
    s.off()
    known = sum(1 for age in books["duplicated_ages_s"] if not any(0 <= m - (now - age) <= WINDOW for m in moments))
    line = {"campaign": "power", "seed": seed, "count": count, "messages": said, "lost": books["lost"], "told_why_not": 0,
            "replies_repeated": books["duplicated"], "replies_repeated_acceptance_unknown": books["duplicated"] - known,
            "side_effects": len(set(lines)), "side_effects_ordered": effects, "side_effects_repeated": repeated,
            "torn_lines_passed_over": len(odd) - hidden, "files_damaged": damaged, "kills": len(moments)}
    with s.lab.lock:
        print(json.dumps(line), file=s.lab.out, flush=True)
    for what in ("lost", "side_effects_repeated", "files_damaged"):
        s.check(f"{what}: {line[what]}", line[what] == 0, books)
    s.check(f"repeated although their acceptance was known: {known}", known == 0, books)
