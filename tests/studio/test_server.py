"""What the page is told, and what it can do."""

import io
import os
import shutil

import numpy as np
import pytest
from helpers.requests import TOKEN, ask
from helpers.runs import go_on, make_run
from PIL import Image

from subjective.images import write_image
from subjective.runs import control
from subjective.studio.pictures import THUMBNAIL
from subjective.studio.runs_index import Index
from subjective.studio.server import Studio
from subjective.studio.workspace import describe_room


@pytest.fixture
def studio(tmp_path):
    return Studio(Index(tmp_path))


@pytest.fixture
def app(studio):
    return studio.app(TOKEN)


def test_a_run_is_told_with_all_that_the_page_shows(app, tmp_path):
    make_run(tmp_path / "run", status="failed", reason="no room left to write", octaves=3)
    (tmp_path / "run" / "traceback.txt").write_text("Traceback: here")
    found = ask(app, "GET", "/api/run", "run=run").json
    assert (found["status"], found["reason"], found["traceback"]) == (
        "failed",
        "no room left to write",
        "Traceback: here",
    )
    assert found["settings"]["octaves"] == 3
    assert found["pictures"][0]["name"] == "result.png"
    assert found["commands"]["resume"] == f"subjective resume {tmp_path / 'run'}"
    assert found["commands"]["again"].endswith("run/config.json")


@pytest.mark.parametrize("address", ["/file", "/thumbnail"])
def test_a_preview_that_has_gone_is_no_error_and_any_other_file_is(app, tmp_path, address):
    make_run(tmp_path / "run")
    gone = ask(app, "GET", address, "run=run&name=.preview.jpg&v=1")
    assert (gone.status, gone.body) == (204, b"")
    assert ask(app, "GET", address, "run=run&name=result-007.png&v=1").status == 404


def test_changes_are_told_once(studio, tmp_path):
    make_run(tmp_path / "one")
    sent = {}
    first = studio._find_changes(sent)
    assert (sorted(first["runs"]), first["gone"]) == (["one"], [])
    assert studio._find_changes(sent) == {}
    go_on(make_run(tmp_path / "two", status=None))
    assert sorted(studio._find_changes(sent)["runs"]) == ["two"]
    os.rename(tmp_path / "one", tmp_path / ".one")
    assert studio._find_changes(sent)["gone"] == ["one"]


def test_a_folder_that_vanishes_is_said_and_that_it_is_back(studio, tmp_path):
    make_run(tmp_path / "runs" / "one")
    studio = Studio(Index(tmp_path / "runs"))
    sent = {}
    studio._find_changes(sent)
    os.rename(tmp_path / "runs", tmp_path / "away")
    assert "cannot read" in studio._find_changes(sent)["problem"]
    assert studio._find_changes(sent) == {}
    os.rename(tmp_path / "away", tmp_path / "runs")
    assert studio._find_changes(sent) == {"problem": ""}


def test_a_full_disk_is_said(tmp_path):
    room = shutil.disk_usage(tmp_path).total
    assert describe_room(tmp_path, least=0) == describe_room(tmp_path / "none") == ""
    assert "make room" in describe_room(tmp_path, least=room + 1)


def test_a_thumbnail_is_reduced_and_a_file_is_sent_as_it_is(app, tmp_path):
    folder = make_run(tmp_path / "run")
    write_image(folder / "step-00001.png", np.zeros((100, 1000, 3)))
    small = Image.open(io.BytesIO(ask(app, "GET", "/thumbnail", "run=run&name=step-00001.png").body))
    assert (small.format, max(small.size)) == ("JPEG", THUMBNAIL)
    assert ask(app, "GET", "/file", "run=run&name=result.png").body == (folder / "result.png").read_bytes()


def test_a_part_of_a_picture_is_cut_out_at_full_size(app, tmp_path, rng):
    folder = make_run(tmp_path / "run")
    picture = rng.integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(picture).save(folder / "result.png")
    found = ask(app, "GET", "/part", "run=run&name=result.png&left=70&top=10&width=50&height=20")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(found.body))), picture[10:30, 70:])
    for box in ("left=80&top=0&width=1&height=1", "left=0&top=0&width=0&height=1", "left=0&top=0&width=9999&height=1"):
        assert ask(app, "GET", "/part", f"run=run&name=result.png&{box}").status == 400


def test_a_run_that_goes_on_can_be_asked_for_something(app, tmp_path):
    go_on(make_run(tmp_path / "run", status=None))
    assert ask(app, "POST", "/api/control", body={"run": "run", "request": "save"}).json == {"asked": "save"}
    assert ask(app, "POST", "/api/control", body={"run": "run", "request": "stop"}).status == 200
    assert control.take(tmp_path / "run").requests == {"save", "stop"}
    assert ask(app, "POST", "/api/control", body={"run": "run", "request": "format"}).status == 400


def test_a_run_that_is_over_can_not_be_asked_and_one_that_goes_on_not_be_deleted(app, tmp_path):
    make_run(tmp_path / "over")
    go_on(make_run(tmp_path / "on", status=None))
    assert ask(app, "POST", "/api/control", body={"run": "over", "request": "stop"}).status == 400
    assert ask(app, "POST", "/api/delete", body={"run": "on"}).status == 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["on", "over"]


def test_tags_are_kept_in_the_folder(app, tmp_path):
    make_run(tmp_path / "run")
    assert ask(app, "POST", "/api/tags", body={"run": "run", "tags": ["best", "best", "für Ada"]}).status == 200
    assert Studio(Index(tmp_path)).state()["tags"] == {"run": ["best", "für Ada"]}
    for tags in ("best", [1], [""], ["x" * 100], ["a\nb"], ["t"] * 100, None):
        assert ask(app, "POST", "/api/tags", body={"run": "run", "tags": tags}).status == 400
    assert ask(app, "POST", "/api/tags", body={"run": "run", "tags": []}).status == 200
    assert Studio(Index(tmp_path)).state()["tags"] == {}


def test_a_deleted_run_of_a_sweep_comes_back_to_its_place(app, tmp_path):
    make_run(tmp_path / "sweep" / "001-2")
    kept = ask(app, "POST", "/api/delete", body={"run": "sweep/001-2"}).json["kept"]
    assert Index(tmp_path).list_runs() == {}
    assert ask(app, "POST", "/api/restore", body={"kept": kept}).json == {"run": "sweep/001-2"}
    assert list(Index(tmp_path).list_runs()) == ["sweep/001-2"]
    for wrong in (kept, "..", "", "../..", "/", "²"):
        assert ask(app, "POST", "/api/restore", body={"kept": wrong}).status == 400


def test_a_run_is_not_put_back_over_another(app, tmp_path):
    make_run(tmp_path / "run")
    kept = ask(app, "POST", "/api/delete", body={"run": "run"}).json["kept"]
    make_run(tmp_path / "run", steps=5)
    assert ask(app, "POST", "/api/restore", body={"kept": kept}).status == 400
    assert Index(tmp_path).list_runs()["run"]["steps"] == 5


@pytest.mark.usefixtures("bound_by_modes")
def test_a_folder_that_cannot_be_written_is_said(app, tmp_path):
    make_run(tmp_path / "run")
    os.chmod(tmp_path, 0o500)
    found = ask(app, "POST", "/api/tags", body={"run": "run", "tags": ["best"]})
    os.chmod(tmp_path, 0o700)
    assert found.status == 409
    assert "cannot make" in found.text
