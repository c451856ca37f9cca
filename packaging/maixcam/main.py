"""MaixCAM application: installs PicoClaw as a service and shows what it said.

The launcher shows one application at a time, so the assistant itself is started at
boot by its init script, not by the launcher.
"""
import os
import subprocess

here = os.path.dirname(os.path.abspath(__file__))
done = subprocess.run(["sh", os.path.join(here, "vendor/install.sh")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
text = done.stdout.decode("utf-8", "replace") + ("" if done.returncode == 0 else "\nNOT installed")
print(text)
try:
    from maix import app, display, image, time

    screen = display.Display()
    shown = image.Image(screen.width(), screen.height())
    for number, line in enumerate(text.splitlines()[-12:]):
        shown.draw_string(8, 8 + 24 * number, line[:60], image.COLOR_WHITE)
    screen.show(shown)
    while not app.need_exit():
        time.sleep_ms(200)
except ImportError:
    # No screen: the text above is all.
    pass
