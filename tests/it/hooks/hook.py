"""A hook for the tests: logs what it is sent, and answers as RULES (JSON: method -> result, or a word) says."""
import json
import os
import sys

rules = json.loads(os.environ["RULES"])
log = open(os.environ["LOG"], "a")
with open(os.environ["LOG"] + ".pid", "w") as file:
    file.write(str(os.getpid()))


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    message = json.loads(line)
    log.write(line)
    log.flush()
    number, method = message.get("id"), message["method"]
    rule = rules.get(method, {})
    if not number:
        continue
    if rule == "die" or (rule == "die once" and not os.path.exists(os.environ["LOG"] + ".died")):
        open(os.environ["LOG"] + ".died", "w").close()
        os._exit(3)
    if rule == "hang":
        continue
    if rule == "garbage":
        say("\x00what?")
        rule = "nonsense"
    if rule == "chatter":
        for _ in range(200):
            say("debug: thinking")
        continue
    if rule == "flood":
        say("x" * 10_000_000)
        continue
    if rule == "stderr":
        sys.stderr.write("e" * 10_000_000 + "\n" + "line\n" * 5000)
        rule = {"approved": True}
    if rule == "error":
        say(json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": -32000, "message": "odd"}}))
        continue
    if rule == "die once":
        rule = {"approved": True}
    text = json.dumps({"jsonrpc": "2.0", "id": number, "result": rule})
    if isinstance(rule, dict) and "line_bytes" in rule:
        text = text[:-2] + ', "pad": "' + "p" * (rule["line_bytes"] - len(text) - 11) + '"}}'
    if method == "hook.before_llm" and isinstance(rule, dict) and "say" in rule:
        request = message["params"]
        request["messages"][-1]["content"] += rule["say"]
        text = json.dumps({"id": number, "result": {"action": "modify", "request": request}})
    say(text)
