"""The conversation on the board: started by scripts/demo. Messages on the screen, at the end what it cost."""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time

from .figures import memory
from .machine import Trouble
from .peer import HELPER
from .scene import ANSWER, BOOT, Lab, Scene

MEASURED = 100
# Variable with the key, provider, a model that is cheap and calls tools.
PROVIDERS = (("OPENAI_API_KEY", "openai", "gpt-4o-mini"), ("OPENROUTER_API_KEY", "openrouter", "auto"),
             ("ANTHROPIC_API_KEY", "anthropic", "claude-3-5-haiku-latest"))

EARLIER = "/data/picoclaw/workspace/memory/202402"


def say(text=""):
    print(text, flush=True)


def indented(text):
    return text.strip().replace("\n", "\n     ")


def shortened(text):
    """At most six lines of at most a hundred characters."""
    lines = [line if len(line) <= 100 else line[:100] + " ..." for line in text.strip().splitlines()]
    return "\n       ".join(lines[:6] + ["..."] * (len(lines) > 6))


class Talk:
    """The conversation as both sides see it."""

    def __init__(self, peer):
        self.peer = peer

    def command(self, text):
        """Says exactly this, shows what comes back."""
        before = len(self.peer.control("sent")["sent"])
        say(f"you: {text}")
        self.peer.command(text)
        end = time.time() + ANSWER
        while time.time() < end:
            sent = self.peer.control("sent")["sent"][before:]
            if sent:
                say("bot: " + indented(sent[0]["text"]))
                return
            time.sleep(0.1)
        raise Trouble(f"no answer to {text}")

    def ask(self, text, script):
        """Says something; `script` tells the peer's model what to do with it and is not shown."""
        say(f"you: {text}")
        self.show(text, self.peer.answer(self.peer.say(f"{text} {script}"), ANSWER))

    def show(self, text, answer, calls=True):
        if answer is None:
            raise Trouble(f"no answer to: {text}")
        if calls:
            self.calls()
        # Without the peer's bookkeeping at the end (`re q000001 ok.`).
        say("bot: " + indented(answer.rsplit("\n\nre q", 1)[0]))

    def hear(self, part):
        """Waits for a message that nothing was said for."""
        end = time.time() + ANSWER
        while time.time() < end:
            for sent in self.peer.control("sent")["sent"]:
                if part in sent["text"]:
                    say("bot: " + indented(sent["text"].rsplit("\n\nre q", 1)[0]))
                    return
            time.sleep(0.2)
        raise Trouble(f"no message with: {part}")

    def calls(self):
        """The calls of the turn and their results."""
        for message in self.peer.turn():
            for call in message.get("tool_calls") or []:
                say(f"     → {call['function']['name']} {call['function']['arguments']}")
            if message["role"] == "tool":
                say("     ← " + shortened(message["content"]))


def table(rows):
    say("\nFigures of the board")
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        say(f"  {label:{width}}  {value if value is not None else '-':>10}")


def costs(scene):
    figures = memory(scene)
    peak = scene.board.read("/sys/fs/cgroup/picoclaw/daemon/memory.peak").strip()
    return [("resident (VmRSS), kB", figures["vmrss_kb"]), ("of it heap and stacks (RssAnon), kB", figures["rssanon_kb"]),
            ("highest so far (VmHWM), kB", figures["vmhwm_kb"]),
            ("daemon and supervisor, shared pages once (Pss), kB", figures["total_pss_kb"]),
            ("highest charge of its cgroup, kB", int(peak) // 1024 if peak else None)]


def rehearsal(scene):
    say("Telegram and the model are played by the test peer; all else is real: a riscv64 board of 256 MB in QEMU,\n"
        "its kernel, its card. With TELEGRAM_TOKEN and one of " + ", ".join(p[0] for p in PROVIDERS) + "\n"
        "in the environment the same command talks to the real services.\n")
    peer, talk = scene.peer, Talk(scene.peer)
    config = peer.config()
    config["channel_list"]["telegram"]["allow_from"] = []
    scene.lay(config)
    say("$ cp picoclaw.json /media/PICOCLAW/      (the card's boot partition)")
    board = scene.boot(uboot=True)
    scene.polled(0)
    say(f"  power on; it polls Telegram over TLS after {time.time() - board.started:.0f} s\n")
    say("— A stranger is told how to pair; the code is in a file on the card.")
    talk.command("hello")
    found = scene.in_status_file(r"(?s)https://t.me.*Pairing code: (\w{8})")
    if not found:
        raise Trouble("no pairing code in picoclaw.status.txt:\n" + scene.card.status())
    say("$ cat /media/PICOCLAW/picoclaw.status.txt")
    for line in scene.card.status().splitlines()[2:]:
        say("  " + line)
    talk.command(f"/pair {found[1]}")

    say("\n— The model's words are scripted; calls, tools and files are real.")
    talk.ask("Hello, who are you?", '[say:"I am your assistant. I live on a small board and keep to one megabyte."]')
    talk.ask("Please note that we need milk.",
             '[call:write_file {"path":"notes/shopping.md","content":"- milk\\n"}] [say:"Noted."]')
    talk.ask("What kind of machine are you?", '[call:exec {"command":"uname -rm; free -m"}] [say:"A small one."]')
    page = json.dumps({"url": peer.base + "/page/hello"})
    talk.ask("What does that page say?", f'[call:web_fetch {page}] [say:"It says hello."]')

    board.log_in()
    say("\n— A note of an earlier day is found, a helper works in the background, a reminder fires.")
    board.get(f"mkdir -p {EARLIER} && echo '- Tom repairs the green bicycle; fetch it on Friday' > {EARLIER}/20240217.md"
              f" && chown -R picoclaw:picoclaw {EARLIER}")
    talk.ask("Where is my bicycle?", '[call:memory_search {"query":"where is the bicycle"}]'
             ' [say:"Tom had it, as you noted on 17 February 2024."]')
    talk.ask("Have somebody count my notes.", HELPER)
    talk.hear("Your helper has counted")
    talk.ask("Remind me of the milk in two seconds.",
             '[call:cron {"action":"add","message":"Remember the milk!","at_seconds":2,"deliver":true}] [say:"I will."]')
    talk.hear("Remember the milk!")

    say("\n— kill -9 in the middle of a turn; the supervisor starts it again, the message is answered all the same.")
    daemon, asked = scene.pid(), peer.stats()["calls"].get("llm.chat", 0)
    say("you: Still there?")
    marker = peer.say('Still there? [delay:3000] [say:"Still here."]')
    peer.control("wait", calls="llm.chat", n=asked + 1, timeout=ANSWER)
    board.get(f"kill -9 {daemon}")
    say(f"# kill -9 {daemon}")
    talk.show("Still there?", peer.answer(marker, ANSWER), calls=False)

    say("\n— The plug is pulled in the middle of a turn.")
    asked = peer.stats()["calls"].get("llm.chat", 0)
    say("you: And now?")
    marker = peer.say('And now? [delay:5000] [say:"Here again, and nothing is lost."]')
    peer.control("wait", calls="llm.chat", n=asked + 1, timeout=ANSWER)
    scene.cut()
    say("  power off, power on")
    board = scene.boot(uboot=True)
    talk.show("And now?", peer.answer(marker, BOOT), calls=False)
    board.log_in()

    say(f"\n— {MEASURED} messages more, one after the other.")
    books = peer.drive(MEASURED, tool_every=10, timeout=ANSWER, settle=2)
    rows = costs(scene)
    for label, value in (("added latency p50, ms", books["added_ms"]["p50"]), ("added latency p99, ms", books["added_ms"]["p99"]),
                         ("answered", books["replied"]), ("lost", books["lost"]), ("answered twice", books["duplicated"])):
        rows.append((label, round(value) if value is not None else None))
    table(rows)
    scene.off()
    say("\n# poweroff")
    return books["lost"] == 0


def live(scene, token, provider, model, key, seconds):
    """The real services: the card gets the keys, the person does the talking."""
    scene.lay({"agents": {"defaults": {"model_name": "main"}},
               "model_list": {"main": {"model": f"{provider}/{model}", "api_keys": [key]}},
               "channel_list": {"telegram": {"type": "telegram", "enabled": True, "allow_from": [],
                                             "settings": {"token": token}}}})
    say(f"Telegram and {provider}/{model} are real. Open Telegram and write to your bot. It does not know you yet and\n"
        f"says how to pair; the code appears here. This ends after three answers, {seconds} s, or with Ctrl-C.\n")
    board = scene.boot(uboot=True)
    board.log_in(BOOT)
    scene.pid(BOOT)
    end, shown, turns = time.time() + seconds, None, 0
    while turns < 3 and time.time() < end:
        time.sleep(1)
        state = scene.state()
        code = next(iter((state.get("pairing_code") or {}).values()), "").split(" ")[0]
        if code and code != shown:
            say(f"pairing code: send  /pair {code}")
        shown = code
        if state.get("turns", 0) > turns:
            turns = state["turns"]
            say(f"{turns} answered, {memory(scene)['vmrss_kb']} kB resident")
    table(costs(scene))
    scene.off()
    return turns > 0


def main():
    parser = argparse.ArgumentParser(prog="demo")
    for name in ("--image", "--peer", "--ca"):
        parser.add_argument(name)
    parser.add_argument("--secs", type=int, default=600)
    args = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="picoclaw-demo.")
    lab = Lab(args.image, args.peer, args.ca, folder, open(os.devnull, "w"))
    scene = None
    try:
        token, keys = os.environ.get("TELEGRAM_TOKEN", "").strip(), None
        for variable, provider, model in PROVIDERS:
            key = os.environ.get(variable, "").strip()
            if key and not keys:
                keys = (provider, os.environ.get("MODEL") or model, key)
        scene = Scene(lab, "demo")
        good = rehearsal(scene) if args.peer else live(scene, token, *keys, args.secs)
        return 0 if good else 1
    except Trouble as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if scene:
            scene.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
