"""What does the page of `subjective watch` cost a run, and how soon does it show two hundred runs?

    python experiments/19_page.py beside [PAIRS]
    python experiments/19_page.py crowd [SECONDS]

`beside` lets one run of 256 px go on with its page open, and in turn lets server and browser work and halts them, 10
seconds each, which comes first changing from pair to pair: 20 pairs, some 8 minutes. A page that is halted takes
nothing from the run; when it goes on it has something to fetch, and the two seconds after that do not count.
`crowd` opens the list of 201 runs, one of which goes on, five times with an empty cache, and then leaves the list and
the page of that run open for a minute each. Both need Playwright (`pip install playwright`) and a Chromium in the PATH.
The browser draws without a GPU. The current figures are in 19_page.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import Browser, sync_playwright
from studio import HERE

from subjective.images import write_image

RUN = (
    f"synthesize -s {HERE}/sources/rock.jpg -ow 256 --optimizer adam --enough 0 --tol 0 -m 100000 --no-evaluate "
    "--schedule plain --statistic gram -o 3 -l pool1 conv2_1 --first-step 1e-6"
)
"""Adam evaluates the loss once a step, and with tiny steps it does not end, so that all steps are alike. They take
little time, so that few seconds have many."""

WINDOW, SETTLE = 10.0, 2.0
"""Seconds of a measurement, and seconds after a page was opened, or goes on, that do not count."""

LISTED = """new MutationObserver((_, observer) => {
    if (document.querySelectorAll(".card").length < 201) return;
    observer.disconnect();
    window.listed = performance.now();
}).observe(document, { childList: true, subtree: true });"""
"""Notes when the list has all runs."""

CROWD = 200
TICK = os.sysconf("SC_CLK_TCK")


class Mark(NamedTuple):
    """Where a run is at a moment: its last step, and seconds of CPU of the run, of the server and of the browser."""

    time: float
    seconds: float
    evaluations: int
    run: float
    server: float
    browser: float


def cpu_of(process: int) -> float:
    """Seconds of CPU that a process has taken; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def browser_processes() -> list[int]:
    """All processes of the browser that this program has started."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            head, _, rest = path.read_text(encoding="utf-8").rpartition(")")
            parents[int(path.parent.name)], names[int(path.parent.name)] = int(rest.split()[1]), head.partition("(")[2]

    def is_own(process: int) -> bool:
        while process > 1:
            process = parents.get(process, 0)
            if process == os.getpid():
                return True
        return False

    return [process for process, name in names.items() if name.startswith("chrom") and is_own(process)]


@contextlib.contextmanager
def started(*words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start the program; end it with Ctrl-C."""
    process = subprocess.Popen([sys.executable, "-m", "subjective", *words], text=True, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


class Bench:
    """A run that goes on, a server of its folder, and a browser."""

    def __init__(self, folder: Path, run: subprocess.Popen[str], server: subprocess.Popen[str], browser: Browser):
        self.folder, self.browser = folder, browser
        self._run, self._server = run, server
        assert server.stderr is not None
        self.address = server.stderr.readline().split()[-1]
        while not (found := list(folder.glob("out-*/.preview.jpg"))):
            assert run.poll() is None, "the run has ended"
            time.sleep(0.2)
        self.name = found[0].parent.name

    def mark(self) -> Mark:
        """Say where the run is."""
        with (self.folder / self.name / "trace.jsonl").open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 65536, 0))
            line = json.loads(file.read().split(b"\n")[-2])
        browser = sum(map(cpu_of, browser_processes()))
        cpu = (cpu_of(self._run.pid), cpu_of(self._server.pid), browser)
        return Mark(time.monotonic(), line["seconds"], line["evaluations"], *cpu)

    def measure(self, seconds: float) -> tuple[Mark, Mark]:
        """Return where the run is now, and after some seconds."""
        before = self.mark()
        time.sleep(seconds)
        return before, self.mark()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Halt server and browser."""
        every = [self._server.pid, *browser_processes()]
        for process in every:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in every:
                os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def page(self, place: str) -> Iterator[Any]:
        """Open a page of the studio in a context of its own, whose cache is empty."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(LISTED)
        page = context.new_page()
        page.goto(f"{self.address}#{place}")
        yield page
        context.close()


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """Start all that is measured."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        run = stack.enter_context(
            started(*RUN.split(), "--output-dir", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        server = stack.enter_context(started("watch", name, stderr=subprocess.PIPE))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        stack.callback(browser.close)
        yield Bench(folder, run, server, browser)


def rates(before: Mark, after: Mark) -> np.ndarray:
    """Seconds and the run's seconds of CPU for each evaluation; percent of a core of the server and of the browser."""
    made, passed = after.evaluations - before.evaluations, after.time - before.time
    spent = after.seconds - before.seconds, after.run - before.run
    return np.asarray([*(one / made for one in spent), *(100 * (after[at] - before[at]) / passed for at in (4, 5))])


def beside(pairs: int) -> None:
    """One run, whose page works and is halted in turn."""
    ratios, costs = [], []
    with bench() as at, at.page(f"run/{at.name}"):
        time.sleep(5 * SETTLE)  # the first steps are not like others
        for pair in range(pairs):
            found = {}
            for works in sorted((False, True), reverse=bool(pair % 2)):
                with contextlib.nullcontext() if works else at.halted():
                    time.sleep(SETTLE)
                    found[works] = rates(*at.measure(WINDOW))
            ratios.append(found[True][:2] / found[False][:2])
            costs.append(found[True][2:])
            print(f"pair {pair}: {found[False][0]:.3f} s halted, ratio {ratios[-1][0]:.3f}, CPU {ratios[-1][1]:.3f}, "
                  f"server {costs[-1][0]:.1f} %, browser {costs[-1][1]:.1f} %", flush=True)  # fmt: skip
    print("| the page works, over halted | median | quartiles | standard error of the median |")
    print("| --- | --- | --- | --- |")
    chance = np.random.default_rng(0)
    for name, values in zip(("seconds a step", "CPU of the run a step"), np.transpose(ratios), strict=True):
        error = np.std(np.median(chance.choice(values, (2000, len(values))), axis=1))
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        print(f"| {name} | {middle:.3f} | {low:.3f} to {high:.3f} | {error:.3f} |")
    server, browser = np.median(costs, axis=0)
    print(f"\nThe server took {server:.1f} % of a core, the browser {browser:.1f} %.")


def fill(folder: Path) -> None:
    """Write folders of runs that are over."""
    for number in range(CROWD):
        run = folder / f"run-{number:03d}"
        run.mkdir()
        settings = {"output_width": 256 + number % 3, "seed": number, "preset": ["default", "fast"][number % 2]}
        measures = {key: {"name": key, "score": 0.5 + number % 9 / 10} for key in ("gram", "spectrum", "color")}
        made = {"files": ["result.png"], "loss": 1 / (number + 1), "steps": 60, "scores": {"measures": measures}}
        summary = {"version": 1, "status": "finished", "reason": None, "seconds": 30.0, "pictures": [made]}
        lines = [json.dumps({"picture": 0, "step": step, "loss": 1 / (step + 1), "parts": {}}) for step in range(60)]
        config = {"version": 1, "command": "synthesize", "settings": settings, "pictures": []}
        (run / "config.json").write_text(json.dumps(config))
        (run / "trace.jsonl").write_text("".join(line + "\n" for line in lines))
        write_image(run / "result.png", np.random.default_rng(number).random((256, 256, 3), np.float32))
        (run / "summary.json").write_text(json.dumps(summary))


def crowd(seconds: float) -> None:
    """Two hundred runs, and one that goes on."""
    with bench() as at:
        fill(at.folder)
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        for _ in range(5):
            with at.page("runs") as page:
                page.locator(".card").nth(CROWD).wait_for(state="attached")
                first, listed = page.evaluate(f"[{paint}, window.listed]")
                print(f"first paint after {first:.0f} ms, all runs listed after {listed:.0f} ms")
        for place in ("runs", f"run/{at.name}"):
            with at.page(place):
                time.sleep(SETTLE)
                _, _, server, browser = rates(*at.measure(seconds))
            print(f"{place.partition('/')[0]}: server {server:.1f} % of a core, browser {browser:.1f} %", flush=True)


def main() -> None:
    what, number = sys.argv[1], [int(word) for word in sys.argv[2:]]
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    beside(*number or [20]) if what == "beside" else crowd(*number or [60])


if __name__ == "__main__":
    main()
