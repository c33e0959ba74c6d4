"""What a run that goes on shows to others, and what others can ask it for."""

import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

from subjective.feedforward.step import TrainState
from subjective.feedforward.train import TrainStep
from subjective.images import read_image
from subjective.optimize.minimizer import Point, Result, Step
from subjective.optimize.protocol import State
from subjective.runs import checkpoints, control
from subjective.runs.folder import PictureFolder
from subjective.runs.interrupts import Interrupted
from subjective.runs.live import MOST_FRAMES, SIDE, LiveFiles, reduce
from subjective.runs.session import Session
from subjective.runs.training_live import TrainingLive
from subjective.synthesis.coarse_to_fine import Position


def step(number):
    value = jnp.full((6, 8, 3), number / 10)
    state = State({}, 1.0, {"texture": 1.0}, 1.0)
    point = Point(state, step=number)
    position = Position(0, 0, 0, 0, 0, 0.0, (), (), point)
    return Step(number, value, 1 / (number + 1), {"texture": 1.0}, 1.0, number + 1, float(number), position)


RESULT = Result(jnp.full((6, 8, 3), 0.2), 1 / 3, 2, 3, 2.0, True, "so it is", {"texture": 1.0}, 1.0)


def test_requests_are_read_once_and_add_up(tmp_path):
    control.ask(tmp_path, "save")
    control.ask(tmp_path, "checkpoint")
    assert control.take(tmp_path).requests == {"save", "checkpoint"}
    assert control.take(tmp_path) == control.Asked()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"requests": 3}', '{"requests": ["format", [1]]}', '{"requests": null}', "[" * 9000]
)
def test_a_file_that_holds_no_request_is_removed_and_asks_for_nothing(tmp_path, text):
    (tmp_path / control.CONTROL_FILE).write_text(text)
    assert control.take(tmp_path) == control.Asked()
    assert list(tmp_path.iterdir()) == []


def test_a_request_behind_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere.json").write_text('{"requests": ["stop"]}')
    (tmp_path / control.CONTROL_FILE).symlink_to(tmp_path / "elsewhere.json")
    assert control.take(tmp_path) == control.Asked()
    assert (tmp_path / "elsewhere.json").exists()


def test_a_run_saves_a_step_and_writes_a_checkpoint_when_it_is_asked_to(tmp_path):
    with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
        session.on_step(0, step(1))
        control.ask(tmp_path, "save")
        session.on_step(0, step(2))
        control.ask(tmp_path, "checkpoint")
        session.on_step(0, step(3))
        assert [path.name for path in checkpoints.find(tmp_path)] == ["checkpoint-000001.safetensors"]
        session.finish([RESULT])
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["result.png", "step-00002.png"]


def test_a_run_that_is_asked_to_stop_keeps_what_it_has_made(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    session = Session(PictureFolder(tmp_path, pictures=1, save_every=0, checkpoint_every=60), [])
    with pytest.raises(Interrupted) as raised, session:  # noqa: PT012 (the session sees the exception)
        session.on_step(0, step(1))
        control.ask(tmp_path, "stop")
        session.on_step(0, step(2))
    assert raised.value.is_told
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["status"], summary["reason"]) == ("interrupted", "stopped on request")
    assert summary["pictures"][0]["steps"] == 2
    assert "subjective resume" in capsys.readouterr().err
    assert len(checkpoints.find(tmp_path)) == 1


def test_requests_to_a_process_that_is_gone_are_forgotten(tmp_path):
    control.ask(tmp_path, "stop")
    with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
        session.on_step(0, step(2))
        session.finish([RESULT])
    assert session.status == 0


def test_a_small_picture_is_shown_as_it_is(rng):
    value = rng.random((30, 40, 3), np.float32)
    np.testing.assert_allclose(reduce(value) / 255, value, atol=0.51 / 255)


def test_a_large_picture_is_shown_as_its_means():
    value = np.zeros((2 * SIDE, 3 * SIDE, 3), np.float32)
    value[:, 1::2] = 1  # finer than what is shown
    shown = reduce(value)
    assert max(shown.shape) == SIDE
    assert abs(shown.mean() / 255 - 0.5) < 0.02


def test_pictures_that_are_made_together_are_shown_in_rows():
    value = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 6, 3), np.float32)
    shown = reduce(value)
    assert shown.shape == (2 * 4, 3 * 6, 3)
    assert [shown[row * 4, column * 6, 0] for row in (0, 1) for column in (0, 1, 2)] == [0, 64, 128, 191, 255, 0]
    many = np.zeros((100, 4, 4, 3), np.float32)
    assert reduce(many).shape == (4 * 4, MOST_FRAMES // 4 * 4, 3)


def test_numbers_that_are_no_colors_are_shown_as_black():
    assert reduce(np.full((4, 4, 3), np.nan, np.float32)).max() == 0


@pytest.mark.usefixtures("bound_by_modes")
def test_a_folder_that_cannot_be_written_does_not_stop_the_run(tmp_path):
    os.chmod(tmp_path, 0o500)
    live = LiveFiles(tmp_path)
    live.write({"step": 1}, np.zeros((4, 4, 3)))
    live.close()
    os.chmod(tmp_path, 0o700)
    assert list(tmp_path.iterdir()) == []


def test_writing_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    """What takes a second is written once in fifty."""
    clock = [100.0]
    monkeypatch.setattr("subjective.runs.live.time.monotonic", lambda: clock[0])

    def slow(*arguments):
        clock[0] += 1

    monkeypatch.setattr("subjective.runs.live.write_bytes", slow)
    live = LiveFiles(tmp_path)
    live.write({"step": 1})
    clock[0] += 49.9
    assert not live.is_due
    clock[0] += 0.2
    assert live.is_due


def test_a_long_run_writes_less_often(tmp_path, monkeypatch):
    """A sixtieth of its time, from two minutes on, and at last every ten seconds."""
    clock = [100.0]
    monkeypatch.setattr("subjective.runs.live.time.monotonic", lambda: clock[0])
    live = LiveFiles(tmp_path)
    for passed, wait in ((1, 2), (119, 2), (300, 5), (3600, 10)):
        clock[0] = 100 + passed
        live.write({"step": 1})
        clock[0] += 0.98 * wait
        assert not live.is_due
        clock[0] += 0.04 * wait
        assert live.is_due


def test_the_preview_can_be_read(tmp_path):
    live = LiveFiles(tmp_path)
    live.write({"step": 1}, np.full((9, 7, 3), 0.5, np.float32))
    assert read_image(tmp_path / control.PREVIEW_FILE).shape == (9, 7, 3)
    assert json.loads((tmp_path / control.LIVE_FILE).read_text())["step"] == 1


def test_a_training_shows_pictures_of_its_network_in_a_small_share_of_the_time(tmp_path, monkeypatch):
    """Drawing takes a second. After the first time, which compiles, it waits for fifty; numbers do not wait."""
    clock, drawn = [100.0], []
    monkeypatch.setattr("subjective.runs.live.time.monotonic", lambda: clock[0])

    def draw(params):
        clock[0] += 1
        drawn.append(params)
        return [np.full((6, 8, 3), 0.5, np.float32)] * 2

    live = TrainingLive(tmp_path, draw)

    def told(number):
        clock[0] += 3
        live.update(TrainStep(number, 200, 1.0, {}, 1.0, True, TrainState(number, (), 0)))
        return json.loads((tmp_path / control.LIVE_FILE).read_text())

    found = [told(number) for number in range(1, 41)]
    assert [one["step"] for one in found] == list(range(1, 41))
    assert drawn == sorted({one["drawn"] for one in found})
    assert drawn[:2] == [1, 2]
    assert drawn[2] == pytest.approx(2 + 50 / 3, abs=1)
    assert read_image(tmp_path / control.PREVIEW_FILE).shape[0] == 6
