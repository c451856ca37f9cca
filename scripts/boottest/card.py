"""The card as a person with a reader sees it: FAT through mtools, the data partition through e2fsprogs."""
import pathlib
import re
import struct
import subprocess

FAT_OFFSET = 1 << 20


def call(*words, data=None, ok=(0,)):
    done = subprocess.run([str(w) for w in words], input=data, capture_output=True)
    if ok is not None and done.returncode not in ok:
        raise RuntimeError(f"{words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Card:
    def __init__(self, disk):
        self.disk = pathlib.Path(disk)
        self.fat = f"{self.disk}@@{FAT_OFFSET}"
        with open(self.disk, "rb") as f:
            table = f.read(512)
        # Second and third entry of the partition table: first sector.
        self.root, self.data = (struct.unpack_from("<I", table, 446 + n * 16 + 8)[0] * 512 for n in (1, 2))

    @staticmethod
    def copy(master, disk, megabytes=256):
        """A new card, larger than the image as cards are."""
        call("cp", "--sparse=always", master, disk)
        with open(disk, "r+b") as f:
            f.truncate(megabytes << 20)
        return Card(disk)

    def put(self, name, content):
        """Lays a file on the boot partition, or a folder where content is None."""
        if content is None:
            call("mmd", "-i", self.fat, "::" + name)
            return
        content = content.encode() if isinstance(content, str) else content
        call("mcopy", "-o", "-i", self.fat, "-", "::" + name, data=content)

    def take_away(self, name):
        call("mdel", "-i", self.fat, "::" + name)

    def names(self):
        """The files on the boot partition."""
        text = call("mdir", "-b", "-i", self.fat, "::").decode(errors="replace")
        return sorted(line.removeprefix("::/").rstrip("/") for line in text.splitlines() if line)

    def file(self, name):
        """A file of the boot partition; None where there is none."""
        done = subprocess.run(["mtype", "-i", self.fat, "::" + name], capture_output=True)
        return done.stdout if done.returncode == 0 else None

    def status(self):
        return (self.file("picoclaw.status.txt") or b"").decode(errors="replace").replace("\r", "")

    def name_with_slash(self):
        """A long file name with `../` in it, as no honest system writes one."""
        mark = "..#x.json"
        self.put(mark, "{}")
        wanted = mark.encode("utf-16-le")[:10]
        raw = self.disk.read_bytes()[:self.data]
        at = raw.find(wanted)
        if at < 0:
            raise RuntimeError("the long name is not where it should be")
        with open(self.disk, "r+b") as f:
            f.seek(at + 4)
            f.write(b"/")

    def offset(self):
        return f"{self.disk}?offset={self.data}"

    def is_clean(self):
        """The data partition was unmounted properly and has no error."""
        head = call("dumpe2fs", "-h", self.offset()).decode(errors="replace")
        state = re.search(r"^Filesystem state: +(.*)$", head, re.M)
        journal = "needs_recovery" in head
        return bool(state) and state[1] == "clean" and not journal

    def data_after_repair(self, path):
        """A copy of the data partition with its journal replayed, as the next boot would do it; None if that fails.

        e2fsck cannot do it in place: after the journal it opens the file again and forgets the offset."""
        with open(self.disk, "rb") as whole, open(path, "wb") as part:
            whole.seek(self.data)
            while piece := whole.read(1 << 20):
                # Zeros become holes.
                if piece.strip(b"\0"):
                    part.write(piece)
                else:
                    part.seek(len(piece), 1)
            part.truncate()
        done = subprocess.run(["e2fsck", "-p", path], capture_output=True)
        return path if done.returncode < 4 else None

    def stored(self, path, image=None):
        """A file of the data partition, or of such a copy; None where there is none."""
        done = subprocess.run(["debugfs", "-R", f"cat {path}", image or self.offset()], capture_output=True)
        return None if b"File not found" in done.stderr else done.stdout
