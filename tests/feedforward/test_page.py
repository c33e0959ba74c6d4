"""Exported pages in a real browser: Chromium, driven by Playwright. Both are optional; without them this is skipped.

The pages hold onnxruntime-web as the npm registry has it; it is downloaded once into the user's data folder.
"""

import base64
import functools
import http.server
import io
import re
import threading

import numpy as np
import pytest
from helpers.browser import open_browser
from helpers.pictures import ROOT
from PIL import Image

from subjective import images
from subjective.checks import FileError
from subjective.feedforward import network_file
from subjective.feedforward.export import export_network
from subjective.feedforward.repaint import repaint
from subjective.feedforward.train import draw

pytestmark = [pytest.mark.pages, pytest.mark.slow, pytest.mark.process]

LEVELS = 2
"""Most levels of 255 by which a page's picture may differ from this program's."""

PATIENCE = 240_000
"""Milliseconds that a picture may take on a machine that does much else."""

CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser():
    with open_browser(*CAMERA) as browser:
        yield browser


@pytest.fixture
def open_page(browser):
    """Open an address; nothing may be loaded from elsewhere, and nothing be said on the console that should not be."""
    contexts, said = [], []

    def open_page(address, size=(512, 512)):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url[:200]))

        def listen(message):
            if message.type in ("error", "warning") and "No available adapters" not in message.text:  # no GPU here
                said.append(message.text)

        page.on("console", listen)
        loaded = []
        page.on("request", lambda request: loaded.append(request.url[:100]))
        page.goto(address)
        wait(page)
        place = address.rpartition("/")[0]
        assert all(url.startswith((place, "data:", "blob:")) for url in loaded)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def serve(tmp_path):
    """Serve the folder of a page; isolated, so that it may use several cores."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=tmp_path / "page")
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()
        thread.join()


def export_page(folder, name):
    """Export the page of a network that comes with the package; return the network."""
    network = network_file.read(name)
    try:
        export_network(network, folder, "web", name=name)
    except FileError as error:
        if "could not fetch onnxruntime-web" not in str(error):
            raise
        pytest.skip(f"needs onnxruntime-web from the npm registry: {error}")
    return network


def wait(page):
    """Wait until all is drawn that was asked for."""
    page.wait_for_selector("canvas[aria-busy=false]")
    assert page.locator("output.wrong").count() == 0, page.text_content("output")


def picture_of(page):
    """The pixels of the page's canvas, as levels."""
    url = page.evaluate("document.querySelector('canvas').toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), np.float64)


def differ(page, wanted):
    """Largest difference between the page's picture and another, in levels."""
    return np.abs(picture_of(page) - np.rint(255 * np.asarray(wanted, np.float64))).max()


def test_a_texture_is_drawn_from_the_folder_mixed_and_grows_with_the_window(open_page, tmp_path):
    network = export_page(tmp_path / "page", "rock_gravel")
    drawn = functools.partial(draw, network.architecture, network.params)
    page = open_page((tmp_path / "page" / "index.html").as_uri())
    assert differ(page, drawn((512, 512), (0.5, 0.5), 0)) <= LEVELS
    seconds = []
    for seed in (5, 6, 7, 8, 9):
        page.get_by_label("seed").fill(str(seed))
        wait(page)
        seconds.append(float(re.search(r"512 × 512 in ([\d.]+) s", page.text_content("output"))[1]))
    assert differ(page, drawn((512, 512), (0.5, 0.5), 9)) <= LEVELS
    assert min(seconds) < 1
    page.get_by_label("rock to gravel").fill("1")
    wait(page)
    small = picture_of(page)
    assert differ(page, drawn((512, 512), (0, 1), 9)) <= LEVELS

    page.set_viewport_size({"width": 640, "height": 512})
    wait(page)
    np.testing.assert_array_equal(picture_of(page)[:, 512:], small[:, :128])  # repeats
    page.get_by_label("largest side").select_option("1024 px")
    wait(page)
    assert "640 × 512" in page.text_content("output")
    inner = slice(96, 416)  # beyond, the borders of both wrap to other places
    assert np.abs(picture_of(page)[inner, inner] - small[inner, inner]).mean() < 8  # between seeds: 40


def test_a_style_repaints_a_file_as_strongly_as_asked_and_what_the_camera_sees(open_page, serve, tmp_path):
    network = export_page(tmp_path / "page", "mosaic")
    photograph = images.read_image(ROOT / "weights" / "photographs" / "coffee.jpg", width=150)[:101]
    images.write_image(tmp_path / "photograph.png", photograph)
    photograph = images.read_image(tmp_path / "photograph.png")
    page = open_page(serve, size=(800, 600))
    page.locator("input[type=file]").set_input_files(tmp_path / "photograph.png")
    page.wait_for_function("document.querySelector('output').textContent.includes('150 × 101')")
    assert differ(page, repaint(network, photograph, (1.0,))) <= LEVELS
    page.get_by_label("strength").fill("0.5")
    wait(page)
    assert differ(page, repaint(network, photograph, (1.0,), strength=0.5)) <= LEVELS

    page.locator("input[type=file]").set_input_files(ROOT / "pyproject.toml")
    page.wait_for_selector("output.wrong")
    assert "pyproject.toml cannot be read as a picture" in page.text_content("output")
    page.get_by_label("largest side").select_option("256 px")
    page.get_by_role("button", name="camera").click()
    page.wait_for_function("document.querySelector('output').textContent.includes('256 × ')")
    first = page.text_content("output")
    page.wait_for_function("first => document.querySelector('output').textContent !== first", arg=first)
    page.get_by_role("button", name="stop the camera").click()
    wait(page)
