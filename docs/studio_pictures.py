"""Make the pictures of the page studio.md. `python docs/studio_pictures.py [FOLDER]`; ten minutes.

Makes runs in the folder, or in a temporary one, and photographs the page in a real browser, 1280 pixels wide; runs that
the folder already has are not made again. Needs Playwright (`pip install playwright`) and a Chromium in the PATH.
"""

import io
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parent
RUNS = {
    **{name: f"synthesize -s experiments/sources/{name}.jpg -ow 256" for name in ("rust", "slate", "planks", "paving")},
    "noise": "synthesize -s experiments/sources/gravel.jpg -ow 256 --init random -m 30",
    "default": "synthesize -s experiments/sources/gravel.jpg -ow 256",
    "blend": "synthesize -s experiments/sources/rock.jpg experiments/sources/gravel.jpg -ow 256 -j geodesic",
    "loop": "animate -s experiments/sources/rock.jpg -ow 96 -c 6 -m 15",
    "network": "train --texture -s experiments/sources/rock.jpg --size 64 --batch 2 --steps 200",
}
"""What is made before, by the prefix of its name."""

GOES_ON = {
    "training": "train --texture -s experiments/sources/gravel.jpg --size 64 --batch 2 --steps 400 -n 20",
    "gravel": "synthesize -s experiments/sources/gravel.jpg -ow 256 --enough 0 --tol 0 -m 200",
}
"""What goes on while it is photographed."""

WORDS = """(pairs) => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode, before = node.data;
        const after = pairs.reduce((text, [from, to]) => text.replaceAll(from, to), before);
        if (after !== before) node.data = after;
    }
}"""
"""Puts words in place of others, so that no paths of this machine are shown."""

MESSAGES = """(() => {
    const parse = JSON.parse;
    JSON.parse = (text) => parse(text.replaceAll(%r, "outputs"));
})()"""
"""The same for what the server tells later."""


def start(folder, prefix, command):
    """Start a run whose name begins with a prefix."""
    words = [*command.split(), "--output-dir", str(folder), "-op", prefix, "-q"]
    return subprocess.Popen([sys.executable, "-m", "subjective", *words], cwd=ROOT, stdout=subprocess.DEVNULL)


def stop(process):
    """End a process as Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    process.wait(60)


class Camera:
    """Photographs the page."""

    def __init__(self, page, address, folder):
        self.page, self._address = page, address
        page.add_init_script(MESSAGES % str(folder))
        self._pairs = [[f"{folder}", "outputs"], [f"{ROOT}/", ""], [socket.gethostname(), "desk"]]

    def open(self, place, height=800):
        """Open a place of the page, in a window of this height."""
        self.page.set_viewport_size({"width": 1280, "height": height})
        self.page.goto("about:blank")
        self.page.goto(f"{self._address}#{place}")
        self.page.wait_for_timeout(3000)

    def take(self, name, box=None):
        """Write a photograph of the window, or of an element."""
        self.page.evaluate(WORDS, self._pairs)
        picture = Image.open(io.BytesIO((box or self.page).screenshot()))
        picture.convert("RGB").save(HERE / f"studio_{name}.webp", quality=72, method=6)
        print(name, picture.size, flush=True)


def choose(page, field, *names):
    """Choose examples as the pictures of a field of the form."""
    group = page.get_by_role("group", name=field, exact=True)
    for name in names:
        group.locator(".shelf button", has_text=name).first.click()


def photograph(camera, folder):
    """Take all photographs."""
    page = camera.page
    newest = {prefix: sorted(folder.glob(f"{prefix}-*"))[-1].name for prefix in RUNS}
    camera.open("runs")
    camera.take("runs")
    camera.open(f"compare/{newest['noise']}/{newest['default']}")
    camera.take("compare")
    camera.open(f"run/{newest['loop']}")
    camera.take("loop")

    camera.open("new", height=900)
    choose(page, "source", "rock", "gravel")
    page.get_by_role("slider", name="How much gravel").fill("0.4")
    page.wait_for_timeout(1500)
    camera.take("form")

    page.get_by_label("make", exact=True).select_option("repair")
    choose(page, "picture", "coffee")
    page.get_by_role("button", name="Paint fill").click()
    box = page.get_by_role("dialog").get_by_role("img").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.55 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.45 * box["height"], steps=8)
    page.mouse.up()
    camera.take("mask", page.get_by_role("dialog"))


def main():
    """Make the runs and the photographs."""
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        for prefix, command in RUNS.items():
            if not list(folder.glob(f"{prefix}-*/summary.json")) and start(folder, prefix, command).wait():
                raise SystemExit(f"failed: {command}")
            print(prefix, flush=True)
        server = subprocess.Popen(
            [sys.executable, "-m", "subjective", "studio", str(folder)], stderr=subprocess.PIPE, text=True
        )
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        camera = Camera(browser.new_page(), server.stderr.readline().split()[-1], folder)
        for prefix, command in GOES_ON.items():
            process = start(folder, prefix, command)
            camera.open("newest")
            camera.page.locator(".status.running").wait_for(timeout=300_000)
            camera.page.wait_for_timeout(30_000)
            camera.take("run" if prefix == "gravel" else prefix)
            if prefix != "gravel":
                stop(process)
                shutil.rmtree(next(folder.glob(f"{prefix}-*")))
        photograph(camera, folder)
        browser.close()
        for each in (process, server):
            stop(each)
        shutil.rmtree(next(folder.glob("gravel-*")))


if __name__ == "__main__":
    main()
