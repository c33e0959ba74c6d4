"""What can be started from the page, and what not."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from helpers.requests import TOKEN, ask
from helpers.runs import make_run
from PIL import Image

from subjective.cli.commands.table import options_class
from subjective.cli.example import find_examples
from subjective.cli.forms import LEFT_OUT, CommandForms
from subjective.studio.desk import Desk, Shelf
from subjective.studio.runs_index import Index
from subjective.studio.server import Studio

EXAMPLES = find_examples()
ROCK = str(EXAMPLES["rock"])


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A desk whose queue is not emptied."""
    made = Desk(Index(tmp_path), CommandForms(), Shelf(EXAMPLES))
    monkeypatch.setattr(made.queue, "start_worker", lambda: None)
    return made


@pytest.fixture
def app(desk):
    return Studio(desk._index, desk).app(TOKEN)


def png(height, width):
    data = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(data, "PNG")
    return data.getvalue()


def refusal(desk, command, **values):
    return desk.check(command, values).get("refusal", "")


@pytest.mark.parametrize("command", ["synthesize", "animate", "transfer", "novelty", "train"])
def test_every_setting_of_a_command_is_in_its_form(command):
    forms = {form["name"]: form for form in CommandForms().describe()}
    found = {field["field"] for field in forms[command]["fields"]}
    assert found == {field.name for field in dataclasses.fields(options_class(command))} - LEFT_OUT
    assert all(len(field["help"]) > 5 for field in forms[command]["fields"])


def test_the_command_is_the_one_that_a_shell_would_read(desk, tmp_path):
    values = {"source": [ROCK], "max_iter": 5, "output_width": 64, "bounds": True, "layers": ["pool1", "pool2"]}
    words = desk.words("synthesize", values)
    wanted = ["--source", ROCK, "--max-iter=5", "--output-width=64", "--bounds", "--layers", "pool1", "pool2"]
    assert words == ["synthesize", *wanted, f"--output-dir={tmp_path}"]
    transfer = desk.words("transfer", {"source": [ROCK], "content": str(EXAMPLES["coffee"])})
    assert transfer[:2] == ["transfer", str(EXAMPLES["coffee"])]


def test_what_is_wrong_or_missing_is_said(desk):
    assert "--source is missing" in refusal(desk, "synthesize")
    assert "--max-iter" in refusal(desk, "synthesize", source=[ROCK], max_iter="many")
    assert "max_iter" in refusal(desk, "synthesize", source=[ROCK], max_iter=-1)


@pytest.mark.parametrize("command", ["weights", "resume", "watch", "sweep", "rm", "", "synthesize; rm", "../x"])
def test_only_commands_that_make_something_can_be_started(desk, command):
    assert "cannot be started" in refusal(desk, command)


@pytest.mark.parametrize("field", [*sorted(LEFT_OUT), "nothing", "__class__"])
def test_a_setting_that_says_where_files_go_or_executes_one_is_not_taken(desk, field):
    assert "no setting" in refusal(desk, "synthesize", **{"source": [ROCK], field: "x"})


FLAGS = ["--plugin=evil.py", "-o", ["pool1", "--plugin", "evil.py"], ["pool1", "-d"], {"a": 1}, [["pool1"]], "a\nb"]


@pytest.mark.parametrize("value", FLAGS)
def test_a_value_cannot_become_a_flag(desk, value):
    assert "--layers is" in refusal(desk, "synthesize", source=[ROCK], layers=value)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc", "~/x.png", "../x.png", "rock.jpg", "/tmp/*.png", ".", "linked"]
)
@pytest.mark.parametrize("field", ["source", "blend_map", "init", "weights"])
def test_files_elsewhere_are_not_read(desk, tmp_path, field, path):
    if path == "linked":
        path = str(tmp_path / "linked.png")
        (tmp_path / "linked.png").symlink_to("/etc/passwd")
    values = {"source": [ROCK]} | {field: [path] if field in ("source", "blend_map") else path}
    assert "drop it here" in refusal(desk, "synthesize", **values)


def test_what_is_dropped_is_kept_and_can_be_a_source(app, desk, tmp_path):
    found = ask(app, "POST", "/api/upload", "name=../../my picture.PNG", body=png(40, 50)).json
    path = Path(found["path"])
    assert path.parent == tmp_path / ".studio" / "pictures"
    assert path.name.startswith("my-picture-")
    assert ask(app, "POST", "/api/upload", "name=my picture.png", body=png(40, 50)).json["path"] == str(path)
    assert [path.name for path in path.parent.iterdir()] == [path.name]
    assert desk.check("synthesize", {"source": [str(path)]})["command"]
    assert ask(app, "GET", "/picture", f"path={path}").body.startswith(b"\xff\xd8")
    assert ask(app, "GET", "/picture", "path=/etc/passwd").status == 400


NO_PICTURES = {
    "empty": ("a.png", b""),
    "words": ("a.png", b"no picture"),
    "damaged": ("a.png", b"\x89PNG" * 9),
    "program": ("a.exe", png(4, 4)),
    "no suffix": ("a", png(4, 4)),
    "script": ("a.svg", b"<svg/>"),
}


@pytest.mark.parametrize(("name", "data"), NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_not_kept(app, tmp_path, name, data):
    assert ask(app, "POST", "/api/upload", f"name={name}", body=data).status == 400
    assert list(tmp_path.rglob("*.*g")) == []


def test_a_picture_that_unpacks_to_too_much_is_not_kept(app, tmp_path):
    data = bytearray(png(4, 4))
    data[16:24] = (60_000).to_bytes(4, "big") * 2  # the head claims 60000 x 60000 pixels
    assert ask(app, "POST", "/api/upload", "name=bomb.png", body=bytes(data)).status == 400
    assert list(tmp_path.rglob("*.png")) == []


def test_a_picture_of_too_many_bytes_is_cut_off(app, monkeypatch):
    monkeypatch.setattr("subjective.studio.desk_routes.LARGEST", 1000)
    assert "more than 1,000 bytes" in ask(app, "POST", "/api/upload", "name=a.png", body=b"x" * 1001).text


def test_a_started_command_is_in_the_queue(app, desk, tmp_path):
    body = {"command": "synthesize", "values": {"source": [ROCK], "max_iter": 3}}
    assert ask(app, "POST", "/api/start", body=body).json == {"number": 1}
    (entry,) = desk.tell()
    assert (entry["status"], entry["run"]) == ("waiting", None)
    assert entry["command"] == f"subjective synthesize --source {ROCK} --max-iter=3 --output-dir={tmp_path}"
    assert ask(app, "POST", "/api/start", body=body | {"values": {}}).status == 400
    assert ask(app, "POST", "/api/queue", body={"number": 1, "action": "stop"}).status == 400
    assert ask(app, "POST", "/api/queue", body={"number": 1, "action": "remove"}).status == 200
    assert desk.tell() == []


def test_only_a_run_that_has_stopped_is_continued(app, desk, tmp_path):
    make_run(tmp_path / "over")
    stopped = make_run(tmp_path / "stopped", status="interrupted")
    assert ask(app, "POST", "/api/resume", body={"run": "over"}).status == 400
    assert ask(app, "POST", "/api/resume", body={"run": "stopped"}).status == 200
    assert ask(app, "POST", "/api/resume", body={"run": "stopped"}).status == 400  # it waits already
    assert desk.tell()[0]["command"] == f"subjective resume {stopped}"


def test_a_run_of_the_queue_is_named_only_if_it_lies_in_the_served_folder(desk, tmp_path):
    desk.queue.add(["synthesize"])
    desk.queue.change(1, run=str(tmp_path / "sweep" / "001"))
    assert desk.tell()[0]["run"] == "sweep/001"
    desk.queue.change(1, run="/etc")
    assert desk.tell()[0]["run"] is None


def test_a_network_is_applied_to_a_dropped_picture_and_what_it_made_is_shown(app, desk, tmp_path):
    trained = make_run(tmp_path / "trained") / "network.safetensors"
    trained.write_bytes(b"")
    assert [one["path"] for one in desk.describe()["networks"]] == [str(trained)]
    words = desk.words("apply", {"network": str(trained), "images": [ROCK], "scale": 0.5})
    assert words[:4] == ["apply", str(trained), ROCK, "--scale=0.5"]
    place = Path(words[4].removeprefix("--output="))
    assert (place.parent, words[5:]) == (tmp_path / ".studio" / "applied", ["--force"])
    for network in ("/etc/passwd", "../net.safetensors", "~/net.safetensors"):
        assert "drop it here" in refusal(desk, "apply", network=network, images=[ROCK])
    assert "no setting" in refusal(desk, "apply", network=str(trained), export="x")
    number = desk.start("apply", {"network": str(trained), "images": [ROCK], "scale": 0.5})["number"]
    place.mkdir(parents=True)
    (place / "rock.png").write_bytes(png(40, 50))
    desk.queue.made_path(number).write_text(f"{place / 'rock.png'}\n/etc/passwd\n")
    assert desk.tell()[0]["made"] == [str(place / "rock.png")]
    assert ask(app, "GET", "/picture", f"path={place / 'rock.png'}&side=64").body.startswith(b"\xff\xd8")
    assert ask(app, "GET", "/api/picture", f"path={place / 'rock.png'}").json == {"size": [40, 50]}
    assert ask(app, "GET", "/api/picture", "path=/etc/passwd").status == 400


def test_watching_has_no_form(tmp_path):
    app = Studio(Index(tmp_path)).app(TOKEN)
    for address in ("start", "upload", "queue", "resume", "forecast", "check"):
        assert ask(app, "POST", f"/api/{address}", body={}).status == 404
