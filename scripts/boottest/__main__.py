"""Boots the image in QEMU and checks what docs/image.md says. Started by scripts/boot-test."""
import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback

from . import attack, cuts, figures, first, hardware, power, trouble, vendor
from .route import unpacked_kernel
from .scene import Lab, Scene

# The longest first; seconds after which a scene is ended.
SCENES = {
    "attack": (attack.attack, 2400),
    "figures": (figures.figures, 1500),
    "busy": (figures.busy, 900),
    "watchdog": (power.watchdog, 900),
    "first": (first.first, 900),
    "invalid": (trouble.invalid, 900),
    "power": (power.power, 900),
    "disk": (trouble.disk, 900),
    "vendor": (vendor.vendor, 900),
    "offline": (trouble.offline, 600),
    "hardware": (hardware.hardware, 900),
}
# Played only when asked for; its time grows with what is asked.
CAMPAIGNS = {"cuts": (cuts.cuts, 900)}
SECONDS_A_CUT = 120
ABOUT = {
    "first": "first boot from U-Boot, import, pairing, tools, limits, hog, kill -9; second boot: bad card, no cgroups",
    "power": "power cuts during import and in a burst",
    "watchdog": "a stopped daemon, the reset, the boot after it",
    "offline": "no network, 1970, a card that stalls",
    "disk": "a full data partition, a read-only one, a write-protected card",
    "invalid": "an invalid configuration on the first boot, a wrong token",
    "attack": "attempts of a command to get out, with and without Landlock and control groups, and outside",
    "vendor": "the overlay on a vendor's image, no cgroups, no Landlock: power cuts, memory, escapes, removal",
    "figures": "1,000 messages: memory, bytes to the card; idle writes",
    "busy": "1,000 messages with a heartbeat, a job and ten sub-agents: memory",
    "hardware": "I2C, SPI, GPIO and serial tools, USB plugged in and out: device nodes of QEMU's sifive_u",
    "cuts": "power cuts at random moments; only with --only (scripts/check/campaign power)",
}


def bound(route):
    """Scenes that are not about any image but scripts/image/make's own, with the reason."""
    scenes = {"vendor": "it makes a vendor's system of the packages of scripts/image/make and lays scripts/build/board's program over it"}
    if not attack.toolchain().exists():
        scenes["attack"] = "it needs the C compiler of scripts/build/board-toolchain"
    if unpacked_kernel(route.kernel()) is None:
        scenes["hardware"] = f"it needs modules of Debian's kernel {route.kernel()} from scripts/image/make's cache"
    return scenes


def play(lab, name):
    body, limit = {**SCENES, **CAMPAIGNS}[name]
    if name in CAMPAIGNS:
        limit += lab.cuts * SECONDS_A_CUT
    scene = None
    try:
        scene = Scene(lab, name)
        late = threading.Timer(limit, lambda: (scene.tell(f"ended after {limit} s"), scene.close()))
        late.daemon = True
        late.start()
        try:
            body(scene)
        finally:
            late.cancel()
    except Exception as e:
        with lab.lock:
            lab.failures.append(f"{name}: broke off: {str(e).splitlines()[0] if str(e) else type(e).__name__}")
        lab.tell(name, f"FAILED  broke off: {e}\n{traceback.format_exc(limit=-3)}")
    finally:
        if scene:
            scene.close()


def main():
    parser = argparse.ArgumentParser(prog="boot-test", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the scenes and end")
    parser.add_argument("--only", action="append", choices=[*SCENES, *CAMPAIGNS], metavar="NAME", help="this scene (several times)")
    parser.add_argument("--keep", action="store_true", help="leave cards and console logs in place")
    parser.add_argument("--json", action="store_true", help="nothing but the JSON line on standard output")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="scenes at a time")
    parser.add_argument("--cuts", type=int, default=3, help="power cuts of the scene of this name")
    parser.add_argument("--seed", type=int, default=7, help="of its moments")
    parser.add_argument("--image", help=argparse.SUPPRESS)
    parser.add_argument("--external", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--ca", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.list:
        for name in [*SCENES, *CAMPAIGNS]:
            print(f"{name:10} {ABOUT[name]}")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="boot-test.")
    lab = Lab(args.image, args.peer, args.ca, folder, sys.stderr if args.json else sys.stdout)
    lab.seed, lab.cuts = args.seed, args.cuts
    names = [n for n in [*SCENES, *CAMPAIGNS] if (n in args.only if args.only else n in SCENES)]
    promised = f"{lab.route.ceiling} kB at most" if lab.route.ceiling else "not promised"
    lab.tell("boot-test", f"board {lab.route.board}, program of the route {lab.route.name}: VmRSS {promised}")
    skipped = {n: why for n, why in bound(lab.route).items() if args.external and n in names}
    for name, why in skipped.items():
        lab.tell(name, f"SKIPPED on this image: {why}")
    names = [n for n in names if n not in skipped]
    if not names:
        lab.failures.append("nothing to play on this image")
    pool = concurrent.futures.ThreadPoolExecutor(args.jobs)
    scenes = [pool.submit(play, lab, name) for name in names]
    try:
        for done in scenes:
            done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for scene in lab.scenes:
            scene.close()
        if args.keep or lab.failures:
            lab.tell("boot-test", f"cards and console logs: {folder}")
        if not (args.keep or lab.failures):
            shutil.rmtree(folder, ignore_errors=True)
    for failure in lab.failures:
        print(f"FAILED {failure}", file=lab.out)
    told = f", skipped: {' '.join(skipped)}" if skipped else ""
    print(f"{lab.passed} passed, {len(lab.failures)} failed{told}", file=lab.out, flush=True)
    counts = {"passed": lab.passed, "failed": len(lab.failures), **({"skipped": sorted(skipped)} if skipped else {})}
    print(json.dumps({**lab.figures, "route": lab.route.name, **counts}), flush=True)
    return 1 if lab.failures else 0


if __name__ == "__main__":
    sys.exit(main())
