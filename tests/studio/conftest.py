"""A server of a folder, and a real browser: Chromium, driven by Playwright. Both are optional."""

import io
import shutil
import signal
import subprocess
import tarfile

import pytest
from helpers.browser import open_browser
from helpers.processes import finished, start

SECONDS = 90_000
"""Milliseconds that the browser waits for something that a run does."""

AXE = "axe-core@4.14.1"
"""The checker of accessibility, which npm brings while the tests run. It is not shipped."""


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def serve(tmp_path):
    """Start a server of a folder; return its address and its process."""
    processes = []

    def serve(command, folder, *words, **options):
        process = start(command, folder, *words, cwd=tmp_path, **options)
        processes.append(process)
        line = process.stderr.readline()
        assert "http://127.0.0.1:" in line, line
        return line.split()[-1], process

    yield serve
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert finished(process)[0] in (0, -signal.SIGKILL)


@pytest.fixture
def open_page(browser):
    """Open an address; at the end, nothing was said on the console that should not be."""
    opened, said = [], []

    def open_page(address, allowed=(), refused=(), **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        page.on("pageerror", lambda error: said.append(str(error)))

        def look(answer):
            if answer.status >= 400 and answer.status not in refused:
                said.append(answer.url)

        page.on("response", look)

        def listen(message):
            if message.type in ("error", "warning") and not any(word in message.text for word in allowed):
                said.append(message.text)

        page.on("console", listen)
        page.goto(address)
        opened.append(context)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert said == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The script of axe-core."""
    npm = shutil.which("npm")
    folder = tmp_path_factory.mktemp("axe")
    words = [npm or "", "pack", AXE, "--silent", "--pack-destination", str(folder)]
    if npm is None or subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip(f"needs npm, and {AXE} from it")
    with tarfile.open(next(folder.glob("*.tgz"))) as packed:
        return io.TextIOWrapper(packed.extractfile("package/axe.min.js"), encoding="utf-8").read()
