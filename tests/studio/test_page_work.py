"""What one does on the page with the mouse and the keyboard: weights, light, masks, large pictures, a full disk."""

import io
import json
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import GRAVEL, ROCK
from helpers.processes import PLAIN, finished, start
from helpers.runs import go_on, make_run
from PIL import Image

from subjective.images import read_image

pytestmark = [pytest.mark.pages, pytest.mark.slow, pytest.mark.process]

BRIGHTNESS = """(box, [across, down]) => {
    const canvas = box.querySelector("canvas"), context = canvas.getContext("2d");
    return context.getImageData(across * canvas.width, down * canvas.height, 1, 1).data[0];
}"""

FOREVER = ["-o", "1", "-l", "pool1", "--optimizer", "adam", "--tol", "0", "--enough", "0", "-n", "0", *PLAIN]
"""Quick steps without an end."""


def wait_for(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_weights_of_a_run_are_changed_while_it_goes_on(serve, open_page, tmp_path):
    run = make_run(tmp_path / "outputs" / "run", status=None)
    weights = {"source_weights": [["rock.png", 1.0], ["gravel.png", 1.0]], "statistic": [["gram", 0.5]]}
    go_on(run, weights=weights)
    address, _ = serve("watch", run.parent)
    page = open_page(f"{address}#run/run")
    box = page.get_by_role("region", name="Weights")
    send = box.get_by_role("button", name="Change weights")
    assert send.is_disabled()
    box.get_by_label("Weight of rock.png").fill("0.25")
    box.get_by_label("Slider for gravel.png").press("Home")
    send.click()
    wait_for((run / ".control.json").exists)
    asked = json.loads((run / ".control.json").read_text())
    assert asked == {"requests": [], "weights": {"source_weights": [0.25, 0]}}
    go_on(run, weights=weights, told="there are three sources")
    box.get_by_text("Not taken: there are three sources").wait_for()
    go_on(run, step=3, weights=weights | {"source_weights": [["rock.png", 0.25], ["gravel.png", 2]]})
    wait_for(lambda: box.get_by_label("Weight of gravel.png").input_value() == "2")
    config = json.loads((run / "config.json").read_text()) | {"changed_by_hand": ["1:2:source_weights=0.25,2"]}
    (run / "config.json").write_text(json.dumps(config))
    go_on(run, step=4, weights=weights)
    page.get_by_text("after step 2 of picture 2: source weights 0.25, 2").wait_for()


def test_a_material_is_seen_under_a_light_that_moves(serve, open_page, tmp_path):
    run = make_run(tmp_path / "outputs" / "run")
    files = ["wall_albedo.png", "wall_nor_gl.png"]
    Image.new("RGB", (64, 64), (200, 200, 200)).save(run / files[0])
    facing = Image.new("RGB", (64, 64), (128, 128, 255))
    facing.paste((218, 128, 218), (24, 24, 40, 40))  # the middle faces right
    facing.save(run / files[1])
    for name, change in (("config.json", {"command": "material"}), ("summary.json", {"pictures": [{"files": files}]})):
        (run / name).write_text(json.dumps(json.loads((run / name).read_text()) | change))
    address, _ = serve("watch", run.parent)
    page = open_page(f"{address}#run/run", allowed=["willReadFrequently"])
    lit = page.locator(".view.lit")
    lit.get_by_text("Reading the maps").wait_for(state="hidden")
    box = lit.bounding_box()

    def at(share):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(300)
        return [
            lit.evaluate(f"(box) => ({BRIGHTNESS})(box, {json.dumps(place)})")
            for place in ([0.1, 0.5], [0.5, 0.5], [0.9, 0.5])
        ]

    left, right = at(0.1), at(0.9)
    assert left[0] > left[2]
    assert right[2] > right[0]
    assert right[1] > left[1] + 20
    lit.locator("canvas").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    assert lit.evaluate(f"(box) => ({BRIGHTNESS})(box, [0.5, 0.5])") < right[1] - 10


def test_a_mask_is_painted_and_sources_are_weighed_in_the_form(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    address, _ = serve("studio", folder)
    page = open_page(f"{address}#new")
    page.get_by_label("make", exact=True).select_option("repair")
    page.get_by_label("Files for picture").set_input_files(ROCK)
    page.get_by_role("list", name="picture").get_by_role("listitem").wait_for()
    page.get_by_role("button", name="Paint fill").click()
    canvas = page.get_by_role("dialog").get_by_role("img")
    box = canvas.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + box["width"] / 4, middle[1], steps=3)
    page.mouse.up()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "Space"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Use this mask").click()
    command = page.locator("aside code", has_text="--fill=")
    command.wait_for()
    mask = read_image(command.inner_text().split("--fill=")[1].split()[0])[:, :, 0] * 255
    assert mask.shape == read_image(ROCK).shape[:2]
    height, width = mask.shape
    assert set(np.unique(mask[:: height - 1, :: width - 1])) == {0}
    assert mask[height // 2, width // 2] == mask[height // 2, round(width * 0.75) - 1] == 255
    assert mask[height // 2, round(width * 0.15)] == 0

    (tmp_path / "two").mkdir()
    for file in (ROCK, GRAVEL):
        (tmp_path / "two" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "two" / "notes.txt").write_text("no picture")
    page.get_by_label("make", exact=True).select_option("synthesize")
    page.locator("input[webkitdirectory]").first.set_input_files(tmp_path / "two")
    page.get_by_role("list", name="source").get_by_role("listitem").nth(1).wait_for()
    page.get_by_role("slider", name="How much rock").fill("0.25")
    page.locator("aside code", has_text="--source-weights").wait_for()
    weights = page.locator("aside code").inner_text().split("--source-weights ")[1].split()[:2]
    assert sorted(weights) == ["0.25", "1"]
    page.get_by_role("button", name="Remove rock").click()
    page.locator("aside code", has_text="gravel").wait_for()
    wait_for(lambda: "--source-weights" not in page.locator("aside code").inner_text())


def test_a_picture_of_8192_pixels_is_sent_reduced_and_its_parts_at_full_size(serve, open_page, tmp_path):
    run = make_run(tmp_path / "outputs" / "run")
    fine = np.indices((8192, 8192), np.uint16).sum(axis=0) % 2 * np.uint16(255)  # gray as soon as it is reduced
    Image.fromarray(fine.astype(np.uint8)).save(run / "result.png", compress_level=1)
    address, _ = serve("watch", run.parent)
    page = open_page("about:blank")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}#run/run")
    canvas = page.get_by_role("img", name="The picture of the run")
    page.locator(".caption", has_text="result").wait_for()
    canvas.focus()
    page.keyboard.press("1")
    page.wait_for_timeout(500)

    def levels():
        found = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("L"))
        return set(np.unique(found[60:160, 60:160]).tolist())  # no caption lies there

    wait_for(lambda: levels() == {0, 255})
    assert not any("/file" in address and "result.png" in address for address in asked)
    parts = [address for address in asked if "/part" in address]
    assert 1 <= len(parts) <= 4
    assert all("width=1024" in address for address in parts)


def test_a_disk_that_is_full_is_said_and_nothing_is_lost(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    make_run(folder / "run")
    address, process = serve("studio", folder)
    page = open_page(f"{address}#run/run", allowed=["409"], refused=[409])
    tags = page.get_by_label("Tags, with commas between")
    tags.fill("first")
    tags.press("Enter")
    page.get_by_text("Kept.").wait_for()
    before = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # as on a full disk
    tags.fill("second")
    tags.press("Enter")
    page.locator("#toast", has_text="cannot write").wait_for()
    page.get_by_role("link", name="New run").click()
    with page.expect_response("**/upload**") as refused:  # what the toast says is still that of before
        page.get_by_label("Files for source").set_input_files(ROCK)
    assert refused.value.status == 409
    assert {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()} == before
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    page.get_by_label("Files for source").set_input_files(GRAVEL)
    page.get_by_role("list", name="source").get_by_role("listitem").wait_for()


def test_a_run_that_finds_no_room_says_so_on_its_page_keeps_its_picture_and_goes_on(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    address, _ = serve("studio", folder)
    words = ["-s", ROCK, "-ow", "48", "-m", "100000", *FOREVER, "--output-dir", folder]
    process = start("synthesize", *words, cwd=tmp_path)
    page = open_page(f"{address}#newest")
    page.locator(".status.running").wait_for()
    [run] = folder.glob("out-*")
    page.get_by_role("button", name="Checkpoint now").click()
    wait_for(lambda: list(run.glob("checkpoint-*")))
    wait_for(lambda: (run / "trace.jsonl").stat().st_size > 40_000)  # larger than its picture
    limit = (run / "trace.jsonl").stat().st_size
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))  # as on a disk that has little room left
    page.locator(".why", has_text="no room left to write").wait_for()
    assert finished(process)[0] == 2
    assert read_image(run / "result.png").shape == (48, 48, 3)
    assert json.loads((run / "summary.json").read_text())["status"] == "failed"
    steps = [json.loads(line)["step"] for line in (run / "trace.jsonl").read_text().split("\n")[:-1]]
    assert steps == list(range(len(steps)))
    page.get_by_role("button", name="Resume", exact=True).click()
    page.locator(".status.running").wait_for()
    page.get_by_role("button", name="Stop and keep").click()
    page.locator(".why", has_text="stopped on request").wait_for()


def test_a_loop_plays_by_itself_until_it_is_looked_at_closely(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    words = ["-s", ROCK, "-sw", "96", "-ow", "48", "-c", "3", "-o", "1", "-l", "pool1", "-m", "2", *PLAIN]
    code, out, err = finished(start("animate", *words, "--output-dir", folder, cwd=tmp_path))
    assert code == 0, err
    address, _ = serve("watch", folder)
    page = open_page(f"{address}#run/{Path(out.split()[0]).name}")
    play, film = page.get_by_role("button", name="Play loop"), page.locator("img.film")
    film.wait_for()
    seen = set()
    wait_for(lambda: seen.add(page.locator(".view").first.screenshot()) or len(seen) > 1)
    page.get_by_role("button", name="Larger").click()
    film.wait_for(state="detached")
    assert play.get_attribute("aria-pressed") == "false"
    play.click()
    film.wait_for()
    page.get_by_role("combobox", name="Picture").select_option("2")
    film.wait_for(state="detached")
    still = open_page(page.url, reduced_motion="reduce")
    still.get_by_role("button", name="Play loop").wait_for()
    assert still.locator("img.film").count() == 0


def test_a_training_shows_the_pictures_of_its_network_and_its_curves(serve, open_page, tmp_path):
    folder = tmp_path / "outputs"
    folder.mkdir()
    address, _ = serve("watch", folder)
    page = open_page(f"{address}#newest")
    words = ["--texture", "-s", ROCK, "-sw", "48", "--size", "32", "--batch", "2", "--width", "2", "--depth", "1"]
    words += ["--octaves", "1", "-l", "conv1_1", "--statistic", "gram", "--steps", "400", "-n", "100"]
    process = start("train", *words, "--output-dir", folder, cwd=tmp_path)
    page.locator(".status.running").wait_for()
    page.locator(".caption", has_text="now, step").wait_for()
    canvas = page.get_by_role("img", name="The picture of the run")
    early = canvas.screenshot()
    assert finished(process)[0] == 0
    page.locator(".status.finished").wait_for()
    page.locator("output", has_text="result · 32 × 32").wait_for()
    assert canvas.screenshot() != early
    page.get_by_role("slider", name="Step").press("Home")
    page.locator("output", has_text="step 100 · 32 × 32").wait_for()
    names = page.get_by_role("group", name="Curves").get_by_role("button").all_inner_texts()
    assert names == ["loss", "octave 0"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(serve, open_page, axe, tmp_path, scheme):
    folder = tmp_path / "outputs"
    make_run(folder / "one", source=ROCK)
    go_on(make_run(folder / "two", status=None), weights={"source_weights": [["a", 1.0], ["b", 1.0]]})
    address, _ = serve("studio", folder)
    page = open_page(address, color_scheme=scheme)
    found = {}
    for place in ("runs", "run/one", "run/two", "compare/one/two", "new", "queue"):
        page.goto(f"{address}#{place}")
        page.wait_for_timeout(700)
        page.evaluate(axe)
        faults = page.evaluate("async () => (await axe.run()).violations")
        for fault in faults:
            if fault["impact"] in ("serious", "critical"):
                found[place, fault["id"]] = [node["html"][:120] for node in fault["nodes"][:3]]
    assert found == {}
