"""The page in a real browser: Chromium, driven by Playwright. Both are optional, and without them this is skipped."""

import os
import shutil
import time

import pytest
from helpers.pictures import ROCK
from helpers.processes import finished, start
from helpers.runs import go_on, make_run, trace_line

pytestmark = [pytest.mark.pages, pytest.mark.slow, pytest.mark.process]


def beyond(page):
    """What is wider than the window, if the page can be scrolled sideways."""
    return page.evaluate(
        """() => [...document.querySelectorAll("*")]
        .filter((each) => each.getBoundingClientRect().right > window.innerWidth + 1)
        .filter(() => document.documentElement.scrollWidth > window.innerWidth)
        .map((each) => each.outerHTML.slice(0, 80))"""
    )


def pixels(page, view=0):
    """The picture of a viewer, as the browser shows it."""
    return page.locator(".view").nth(view).screenshot()


def test_a_run_is_started_from_the_form_watched_stopped_resumed_and_compared(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    make_run(folder / "other", source=ROCK)
    address, _ = serve("studio", folder)
    page = open_page(address)
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Files for source").set_input_files(ROCK)
    page.get_by_label("output width").fill("64")
    page.get_by_label("max iter").fill("4000")
    for group in page.locator("summary").all():
        group.click()
    page.get_by_label("tol", exact=True).fill("0")
    page.get_by_label("enough", exact=True).fill("0")
    page.get_by_label("layers", exact=True).fill("pool1")
    page.get_by_label("statistic", exact=True).fill("gram")
    page.get_by_role("combobox", name="optimizer").select_option("adam")  # which goes on for some seconds
    page.locator("aside code", has_text="--optimizer=adam").wait_for()
    page.get_by_role("button", name="Memory and time").click()
    page.locator("aside").get_by_text("estimated:").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("list", name="Commands").get_by_role("link").click()

    page.get_by_role("button", name="Save this step").click()
    page.get_by_role("button", name="Checkpoint now").click()
    run = next(path for path in folder.iterdir() if path.name.startswith("out-"))
    for pattern in ("checkpoint-*.safetensors", "step-*[1-9].png"):
        end = time.monotonic() + 60
        while not list(run.glob(pattern)) and time.monotonic() < end:
            time.sleep(0.1)
        assert list(run.glob(pattern)), pattern
    page.get_by_role("button", name="Score this step").click()
    scores = page.get_by_role("region", name="Scores")
    scores.get_by_text("The picture after step").wait_for()
    assert scores.get_by_text("texture statistics (Gram)").is_visible()
    page.get_by_role("button", name="Stop and keep").click()
    page.locator(".why", has_text="stopped on request").wait_for()
    page.get_by_role("button", name="Resume", exact=True).click()
    page.locator(".status.running").wait_for()
    page.locator(".status.finished").wait_for()
    page.get_by_text("texture statistics (Gram)").wait_for()
    assert not list(run.glob(".*"))

    page.get_by_role("link", name="Runs").click()
    boxes = page.get_by_role("checkbox")
    boxes.nth(1).wait_for()  # the list of runs is asked for when its page opens
    for box in boxes.all():
        box.check()
    page.get_by_role("button", name="Compare 2").click()
    page.get_by_role("columnheader", name="other").wait_for()
    page.get_by_role("button", name="Swipe").click()
    page.get_by_role("slider", name="Where the second picture begins").press("ArrowLeft")
    page.get_by_role("link", name="Queue").click()
    commands = page.get_by_role("list", name="Commands").get_by_role("listitem")
    commands.nth(1).wait_for()  # the list is asked for when its page opens
    assert commands.count() == 2


def test_every_control_of_a_run_does_something(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    run = make_run(folder / "run", source=ROCK, steps=30)
    shutil.copy(make_run(folder / "second", steps=4) / "result.png", run / "step-00010.png")
    shutil.copy(folder / "second" / "result.png", run / "map.png")
    address, _ = serve("watch", run.parent)
    page = open_page(f"{address}#run/run")
    canvas = page.get_by_role("img", name="The picture of the run")
    canvas.wait_for()
    page.get_by_text("64 × 48").first.wait_for()
    page.wait_for_timeout(500)
    before = pixels(page)

    def changes(action, view=0):
        nonlocal before
        action()
        page.wait_for_timeout(400)
        after = pixels(page, view)
        assert after != before
        before = after

    changes(lambda: page.get_by_role("button", name="2 × 2").click())
    changes(lambda: page.get_by_role("button", name="1 × 1").click())
    changes(lambda: page.get_by_role("slider", name="Step").press("Home"))
    changes(lambda: page.get_by_role("slider", name="Step").press("End"))
    changes(lambda: page.get_by_role("button", name="Larger").click())
    changes(lambda: canvas.press("ArrowLeft"))
    changes(lambda: canvas.hover() or page.mouse.wheel(0, -300))
    changes(lambda: page.get_by_role("button", name="Fit").click())
    changes(lambda: page.get_by_label("Swipe to").select_option("step step-00010.png"))
    changes(lambda: page.get_by_role("slider", name="Where the second picture begins").press("ArrowRight"))
    changes(lambda: page.get_by_label("Swipe to").select_option("run second"))
    changes(lambda: page.get_by_label("Swipe to").select_option("nothing"))
    before = pixels(page, 1)
    changes(lambda: page.get_by_label("Beside").select_option("file map.png"), view=1)
    page.get_by_label("Beside").select_option("nothing")
    assert page.locator(".view").nth(1).is_hidden()

    legend = page.get_by_role("group", name="Curves")
    assert legend.get_by_role("button").all_inner_texts() == ["loss", "octave 0", "octave 1"]
    page.get_by_label("parts by").select_option("layer")
    legend.get_by_role("button", name="pool1").click()
    assert legend.get_by_role("button", name="pool1").get_attribute("aria-pressed") == "false"
    page.get_by_label("Tags, with commas between").fill("best, rough")
    page.get_by_label("Tags, with commas between").press("Enter")
    page.get_by_text("Kept.").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("run is back.").wait_for()
    page.get_by_label("Filter").fill("tag=rough steps>20")
    page.get_by_text("1 of 2 runs").wait_for()


def test_the_keyboard_alone_is_enough(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    make_run(folder / "one", source=ROCK)
    make_run(folder / "two", steps=5)
    address, _ = serve("watch", folder)
    page = open_page(address)
    page.get_by_role("link", name="one").wait_for()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached |= {page.evaluate("[document.activeElement].map((at) => at.ariaLabel || at.innerText)[0]")}
    assert {"Skip to the content", "Runs", "Filter", "Choose one", "Choose two", "one", "two"} <= reached
    page.get_by_role("link", name="one", exact=True).focus()
    page.keyboard.press("Enter")
    canvas = page.get_by_role("img", name="The picture of the run")
    canvas.focus()
    for key in ("+", "ArrowDown", "-", "0", "1"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Full size").get_by_text("100 %").wait_for()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_shows_all_in_light_and_dark(serve, open_page, tmp_path, scheme):
    folder = tmp_path / "outputs"
    make_run(folder / "one", source=ROCK)
    make_run(folder / "two", steps=5, status="failed", reason="no room left to write in the folder of this run")
    address, _ = serve("studio", folder)
    page = open_page(address, viewport={"width": 360, "height": 700}, color_scheme=scheme)
    for place in ("runs", "run/one", "run/two", "compare/one/two", "new", "queue"):
        page.goto(f"{address}#{place}")
        page.wait_for_timeout(700)
        assert beyond(page) == [], place
    ground = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    assert (ground == "rgb(25, 25, 25)") == (scheme == "dark")


def test_what_goes_wrong_is_said_while_the_page_is_open(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    running = make_run(folder / "running", status=None)
    go_on(running)
    address, process = serve("watch", folder)
    page = open_page(f"{address}#run/running", allowed=["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE", "ERR_EMPTY"])
    page.locator(".status.running").wait_for()
    (running / ".lock").unlink()  # as if the run were killed and its folder cleaned
    page.locator(".why", has_text="ended without a word").wait_for()
    os.rename(running, folder / ".moved")
    page.locator(".why", has_text="deleted or moved").wait_for()
    os.rename(folder, tmp_path / "away")
    page.locator(".problem", has_text="cannot read").wait_for()
    os.rename(tmp_path / "away", folder)
    page.locator(".problem").wait_for(state="hidden")
    process.kill()
    page.locator(".problem", has_text="does not answer").wait_for()


def test_a_page_asks_only_for_what_its_run_has_said_and_for_nothing_while_nobody_sees_it(serve, open_page, tmp_path):
    run = go_on(make_run(tmp_path / "outputs" / "run", status=None), step=2)
    address, _ = serve("watch", run.parent)
    page = open_page(f"{address}#run/run")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/api/run" in request.url else None)
    page.get_by_text("2 of").wait_for()

    def asks(action):
        page.wait_for_timeout(1500)
        asked.clear()
        action()
        page.wait_for_timeout(2500)
        return len(asked)

    def step():
        with (run / "trace.jsonl").open("a") as file:
            file.write(f"{trace_line(3)}\n")

    def hide(hidden):
        page.evaluate(
            """(hidden) => {
                Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    assert asks(step) == 0
    assert asks(lambda: go_on(run, step=3)) == 1
    hide(True)
    assert asks(lambda: go_on(run, step=4)) == 0
    assert asks(lambda: hide(False)) == 1
    page.get_by_text("4 of").wait_for()


def test_two_hundred_runs_and_one_that_goes_on(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    for number in range(200):
        make_run(folder / f"run-{number:03d}", steps=number % 7 + 1, output_width=64 + number % 3)
    running = make_run(folder / "running", status=None)
    go_on(running)
    address, _ = serve("watch", folder)
    page = open_page("about:blank")
    loaded = []
    page.on("request", lambda request: loaded.append(request.url) if "/thumbnail" in request.url else None)
    page.goto(address)
    page.get_by_text("201 runs").wait_for()
    page.wait_for_timeout(1500)
    assert page.get_by_role("list", name="Runs").get_by_role("listitem").count() == 201
    assert 0 < len(loaded) < 120  # those that can be seen, or soon
    page.get_by_label("Filter").fill("output_width=65 loss<0.2")
    page.get_by_text("of 201 runs").wait_for()
    page.get_by_label("Sort by").select_option("loss")
    with (running / "trace.jsonl").open("a") as file:
        file.write(f"{trace_line(3)}\n")


def test_watch_beside_a_run_ends_with_it(tmp_path):
    """`--watch` shows the run that it was given to, and leaves nothing behind."""
    words = ["-s", ROCK, "-ow", "48", "-m", "1", "-o", "1", "-l", "pool1", "--statistic", "gram", "--no-evaluate"]
    code, out, err = finished(start("synthesize", *words, "--watch", cwd=tmp_path))
    assert code == 0, err
    assert "#newest" in err
    assert (tmp_path / out.strip() / "summary.json").exists()
