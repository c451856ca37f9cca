#!/usr/bin/env python3
"""Lets an image trust the test peer's CA: trust.py IMAGE CA. Started by scripts/image/make-for-peer on a copy."""
import pathlib
import re
import sys
import tempfile

# Run as a program, too: its folder is the path then.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from boottest.card import Card, call  # noqa: E402

SETTINGS, CA = "/etc/default/picoclaw", "/etc/picoclaw/ca.pem"


def put(root, path, content, folder):
    """Writes a file into the file system and looks whether it is there: debugfs says errors and succeeds all the same."""
    source = pathlib.Path(folder, "file")
    source.write_bytes(content)
    orders = pathlib.Path(folder, "orders")
    orders.write_text(f"rm {path}\nwrite {source} {path}\nset_inode_field {path} mode 0100644\n")
    call("debugfs", "-w", "-f", orders, root)
    if call("debugfs", "-R", f"cat {path}", root) != content:
        sys.exit(f"boottest/trust: {path} did not get into the image")


def main():
    image, authority = sys.argv[1:]
    card = Card(image)
    root = f"{image}?offset={card.root}"
    settings = call("debugfs", "-R", f"cat {SETTINGS}", root)
    if b"PICOCLAW_BOOT=" not in settings:
        sys.exit(f"boottest/trust: {image} has no {SETTINGS} of an image of ours in its second partition")
    settings = re.sub(rb"(?m)^SSL_CERT_FILE=.*\n", b"", settings) + f"SSL_CERT_FILE={CA}\n".encode()
    with tempfile.TemporaryDirectory() as folder:
        put(root, SETTINGS, settings, folder)
        put(root, CA, pathlib.Path(authority).read_bytes(), folder)


main()
