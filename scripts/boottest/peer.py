"""The test peer as a process: Telegram, the model and a time server on this machine's loopback."""
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

from .machine import Trouble

OWNER = 1001
# The guest's name for this machine's loopback in QEMU's user network.
HOST = "10.0.2.2"
# Lets the model start a sub-agent, which counts the notes; the turn with its report ends in "Your helper has counted".
# The helper's task has words for its own model, and its result some for the model that reads it; `\\u005b` is `[`.
HELPER = (r'[call:spawn {"label":"count","task":"Count the notes. \u005bcall:list_dir {\"path\":\"notes\"}] '
          r'\u005bsay:\"One note. \\u005bsay:\\\"Your helper has counted: one note.\\\"]\"] q900001"}] [say:"A helper does it."]')


class Peer:
    def __init__(self, program, authority, token="1:test"):
        self.process = subprocess.Popen(
            [program, "serve", "--tls-port", "0", "--sntp", "0", "--ca-dir", authority, "--name", HOST,
             "--token", token, "--max-secs", "7200"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise Trouble("the test peer does not start")
        facts = json.loads(line)
        self.url = facts["control"]
        self.base = f"https://{HOST}:{facts['tls_port']}"
        self.time_server = f"{HOST}:{facts['sntp_port']}"

    def control(self, what, timeout=30, **body):
        """A control command; `wait` ends by itself after the timeout."""
        if what == "wait":
            body["timeout"] = timeout
        request = urllib.request.Request(f"{self.url}/control/{what}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        # No proxy of the environment may come between us and our own loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout + 10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            raise Trouble(f"peer, {what}: {e.read().decode(errors='replace')}") from None

    def say(self, text, chat=OWNER):
        """Says something with a marker; gives the marker."""
        return self.control("say", chat=chat, user=chat, text=text)["marker"]

    def command(self, text, chat=OWNER):
        self.control("say", chat=chat, user=chat, text=text, unmarked=True)

    def answer(self, marker, seconds):
        """The answer to a marker, None when it does not come."""
        return self.control("wait", timeout=seconds, marker=marker)["text"]

    def told(self, text, seconds):
        """The first message of the bot with these words, None when there is none."""
        return self.control("wait", timeout=seconds, text=text)["text"]

    def question(self, seconds, after=0):
        """The first message with buttons beyond so many messages, None when there is none."""
        end = time.time() + seconds
        while time.time() < end:
            asked = [m for m in self.control("sent")["sent"][after:] if m["buttons"]]
            if asked:
                return asked[0]
            time.sleep(0.2)
        return None

    def press(self, question, button):
        """Presses the button of that number under a question."""
        self.control("press", chat=question["chat"], message_id=question["message_id"],
                     data=question["buttons"][button][1])

    def polls(self):
        return self.stats()["calls"].get("tg.getUpdates", 0)

    def wait_polls(self, n, seconds):
        return self.control("wait", timeout=seconds, calls="tg.getUpdates", n=n)["found"]

    def stats(self):
        return self.control("stats")

    def turn(self):
        """Messages of the newest turn's last request; a summary in the background asks the model without tools."""
        requests = [r for r in self.control("requests", last=20)["requests"] if r.get("tools")]
        messages = requests[-1].get("messages", []) if requests else []
        begin = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=0)
        return messages[begin:]

    def tool_results(self):
        """What tools gave in it."""
        return [str(m.get("content")) for m in self.turn() if m.get("role") == "tool"]

    def drive(self, n, **options):
        """A load, with a line each ten seconds; gives the books."""
        more = [word for key, value in options.items() for word in ("--" + key.replace("_", "-"), str(value))]
        run = subprocess.Popen([self.process.args[0], "drive", "--n", str(n), "--control", self.url, *more],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        out, _ = run.communicate(timeout=3600)
        return json.loads(out)

    def config(self, patch=None, token="1:test"):
        """A picoclaw.json that leads to this peer."""
        config = {
            "agents": {"defaults": {"model_name": "test"}},
            "model_list": {"test": {"model": "openai/test", "api_keys": ["no-real-key"], "api_base": self.base + "/v1"}},
            "channel_list": {"telegram": {
                "type": "telegram", "enabled": True, "allow_from": [str(OWNER)],
                "settings": {"token": token, "base_url": self.base}}},
            "time": {"servers": [self.time_server]},
            "tools": {"web": {"private_host_whitelist": [HOST]}},
        }
        config.update(patch or {})
        return config

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, 9)
            self.process.wait()
