"""What a session does with each way in which a run can end."""

import dataclasses
import errno
import json
import os
import shutil
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subjective.checks import FileError, InputError, file_errors, setting
from subjective.images import read_image
from subjective.optimize.minimizer import Result, Step
from subjective.runs.folder import PictureFolder
from subjective.runs.interrupts import SIGNALS, Interrupted, interruptible
from subjective.runs.session import Session
from subjective.runs.traced_folder import TRACEBACK_FILE


@pytest.fixture(autouse=True)
def own_signals():
    """A session that was stopped ignores further signals; afterwards all is as before."""
    with interruptible():
        yield


class Watcher:
    """An observer that remembers."""

    def __init__(self):
        self.steps, self.closed = [], 0

    def update(self, picture, step):
        self.steps.append(step.step)

    def close(self):
        self.closed += 1


def step(number):
    value = jnp.full((6, 8, 3), number / 10)
    return Step(number, value, 1 / (number + 1), {"texture": 1.0}, 1.0, number + 1, float(number))


RESULT = Result(jnp.full((6, 8, 3), 0.2), 1 / 3, 2, 3, 2.0, True, "so it is", {"texture": 1.0}, 1.0)


def stopped_by(error, folder, render=str):
    """A session of two steps that is then stopped by an error."""
    watcher = Watcher()
    with Session(PictureFolder(folder, pictures=1, save_every=0), [watcher], render) as session:
        session.on_step(0, step(1))
        session.on_step(0, step(2))
        raise error
    assert watcher.steps == [1, 2]
    assert watcher.closed > 0
    return session


def check_last_picture(folder, status, reason):
    """The picture of the second step is kept, and the summary says why there are no more."""
    np.testing.assert_allclose(read_image(folder / "result.png"), np.full((6, 8, 3), 0.2), atol=1 / 255)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["reason"]) == (status, reason)
    assert [picture["steps"] for picture in summary["pictures"]] == [2]


def test_a_result_that_is_better_than_the_last_step_is_the_picture(tmp_path):
    with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
        session.on_step(0, step(1))
        session.on_step(0, step(2))
        session.finish([dataclasses.replace(RESULT, value=jnp.full((6, 8, 3), 0.7), loss=0.1)])
    np.testing.assert_allclose(read_image(tmp_path / "result.png"), np.full((6, 8, 3), 0.7), atol=1 / 255)
    [picture] = json.loads((tmp_path / "summary.json").read_text())["pictures"]
    assert (picture["loss"], picture["steps"]) == (0.1, 2)


def test_a_run_that_comes_to_its_end_is_finished(tmp_path, capsys):
    watcher = Watcher()
    with Session(PictureFolder(tmp_path, pictures=1, save_every=0), [watcher]) as session:
        session.on_step(0, step(2))
        session.finish([RESULT])
    assert session.status == 0
    assert watcher.closed > 0
    check_last_picture(tmp_path, "finished", None)
    assert capsys.readouterr().err == ""


def test_an_input_error_is_status_2_and_keeps_the_last_picture(tmp_path, capsys):
    error = InputError(f"{setting('max_iter')} does not fit")
    session = stopped_by(error, tmp_path, lambda error: error.render(lambda name: f"--{name}"))
    assert session.status == 2
    check_last_picture(tmp_path, "failed", "--max_iter does not fit")
    expected = f"subjective: --max_iter does not fit; the last picture is {tmp_path}/result.png\n"
    assert capsys.readouterr().err == expected
    assert not (tmp_path / TRACEBACK_FILE).exists()


def test_a_fault_of_the_program_is_status_1_and_one_line_says_where_its_traceback_is(tmp_path, capsys):
    session = stopped_by(KeyError("no such layer"), tmp_path)
    assert session.status == 1
    text = (tmp_path / TRACEBACK_FILE).read_text()
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("KeyError: 'no such layer'\n")
    assert "in stopped_by" in text
    reason = f"a fault of this program, KeyError; the traceback is in {tmp_path / TRACEBACK_FILE}"
    check_last_picture(tmp_path, "failed", reason)
    assert capsys.readouterr().err == f"subjective: {reason}; the last picture is {tmp_path}/result.png\n"


def test_a_value_error_is_a_fault_of_the_program(tmp_path):
    assert stopped_by(ValueError("cannot reshape"), tmp_path).status == 1
    assert "ValueError: cannot reshape" in (tmp_path / TRACEBACK_FILE).read_text()


def test_a_traceback_that_cannot_be_written_goes_to_stderr(tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with Session(PictureFolder(folder, pictures=1, save_every=0), []) as session:
        session.on_step(0, step(1))
        shutil.rmtree(folder)
        raise KeyError("no such layer")
    assert session.status == 1
    err = capsys.readouterr().err
    assert "KeyError: 'no such layer'\n" in err
    assert err.endswith(
        "subjective: a fault of this program, KeyError; the traceback is above; no picture was made yet\n"
    )


def test_interrupted_goes_on(tmp_path, capsys):
    with pytest.raises(Interrupted):
        stopped_by(Interrupted(signal.SIGTERM), tmp_path)
    check_last_picture(tmp_path, "interrupted", "interrupted")
    assert capsys.readouterr().err == f"subjective: interrupted; the last picture is {tmp_path}/result.png\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_status_2(number, tmp_path):
    session = stopped_by(OSError(number, os.strerror(number)), tmp_path)
    assert session.status == 2
    check_last_picture(tmp_path, "failed", f"no room left to write in {tmp_path} ({os.strerror(number)})")
    assert not (tmp_path / TRACEBACK_FILE).exists()


def test_a_folder_that_can_no_longer_be_written_is_status_2(tmp_path):
    session = stopped_by(OSError(errno.EROFS, os.strerror(errno.EROFS)), tmp_path)
    assert session.status == 2
    check_last_picture(tmp_path, "failed", f"cannot write in {tmp_path} (Read-only file system)")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """Not the run folder, which can be written."""
    error = FileError("cannot read 'rock.jpg': Permission denied")
    error.errno = errno.EACCES
    assert stopped_by(error, tmp_path).status == 2
    check_last_picture(tmp_path, "failed", "cannot read 'rock.jpg': Permission denied")


@pytest.mark.parametrize(
    "error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")]
)
def test_out_of_memory_is_status_2_and_says_what_to_lower(error, tmp_path):
    assert stopped_by(error, tmp_path).status == 2
    check_last_picture(tmp_path, "failed", "out of memory; make a smaller picture, or lower history or count")
    assert not (tmp_path / TRACEBACK_FILE).exists()


def test_another_error_of_the_device_is_a_fault_of_the_program(tmp_path):
    assert stopped_by(jax.errors.JaxRuntimeError("INTERNAL: the device is lost"), tmp_path).status == 1
    assert "the device is lost" in (tmp_path / TRACEBACK_FILE).read_text()


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyError("no such score"), 1, "a fault of this program, KeyError; the traceback is in {}/traceback.txt"),
        (InputError("the picture is too small to be measured"), 2, "the picture is too small to be measured"),
    ],
)
def test_a_run_that_fails_while_it_measures_is_not_finished(error, status, line, tmp_path, capsys):
    with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
        session.on_step(0, step(2))
        session.finish([RESULT])
        raise error
    assert session.status == status
    check_last_picture(tmp_path, "failed", line.format(tmp_path))
    kept = f"; the last picture is {tmp_path}/result.png\n"
    assert capsys.readouterr().err == f"subjective: {line.format(tmp_path)}{kept}"


def test_a_run_that_is_interrupted_while_it_measures_is_not_finished(tmp_path, capsys):
    def make_and_measure():
        with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
            session.on_step(0, step(2))
            session.finish([RESULT])
            raise Interrupted(signal.SIGINT)

    with pytest.raises(Interrupted):
        make_and_measure()
    check_last_picture(tmp_path, "interrupted", "interrupted")
    assert capsys.readouterr().err == f"subjective: interrupted; the last picture is {tmp_path}/result.png\n"


def test_a_run_says_that_it_is_finished_after_all_else(tmp_path):
    run = PictureFolder(tmp_path, pictures=1, save_every=0)
    with Session(run, []) as session:
        session.on_step(0, step(2))
        session.finish([RESULT])
        assert (tmp_path / "result.png").exists()
        assert not (tmp_path / "summary.json").exists()
        run.add_scores([{"color": 1.0}])
    [picture] = json.loads((tmp_path / "summary.json").read_text())["pictures"]
    assert picture["scores"] == {"color": 1.0}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["result.png", "summary.json", "trace.jsonl"]


def test_a_signal_in_the_last_moment_comes_after_the_run_is_finished(tmp_path, capsys, monkeypatch):
    write = PictureFolder._conclude

    def write_and_be_interrupted(*arguments, **facts):
        signal.raise_signal(signal.SIGTERM)
        write(*arguments, **facts)

    monkeypatch.setattr(PictureFolder, "_conclude", write_and_be_interrupted)

    def make():
        with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
            session.on_step(0, step(2))
            session.finish([RESULT])

    with pytest.raises(Interrupted) as interrupt:
        make()
    assert interrupt.value.is_told
    check_last_picture(tmp_path, "finished", None)
    assert capsys.readouterr().err == f"subjective: interrupted; the run in {tmp_path} is finished\n"


def test_an_observer_whose_terminal_is_gone_spoils_nothing(tmp_path):
    class Gone(Watcher):
        def close(self):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with Session(PictureFolder(tmp_path, pictures=1, save_every=0), [Gone()]) as session:
        session.on_step(0, step(2))
        session.finish([RESULT])
    assert session.status == 0
    check_last_picture(tmp_path, "finished", None)


class Recorded:
    """A run folder that remembers which step was the last."""

    memory_advice = "none"

    def __init__(self, folder):
        self.folder, self.steps, self.ends = folder, [], []

    def record(self, number, *, last=False, asked=()):
        self.steps.append((number, last))

    def finish(self, result):
        self.ends.append("finished")

    def complete(self):
        self.ends.append("complete")

    def abandon(self, status, reason):
        self.ends.append(status)
        return "all is kept", True


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_the_run_after_the_step_that_is_being_made(number, tmp_path, capsys):
    run = Recorded(tmp_path)

    def make_steps():
        with Session(run, []) as session:
            for step in range(10):
                if step == 2:
                    signal.raise_signal(number)
                session.on_step(step)

    with pytest.raises(Interrupted) as interrupt:
        make_steps()
    assert interrupt.value.number == number
    assert run.steps == [(0, False), (1, False), (2, True)]
    assert run.ends == ["interrupted"]
    assert capsys.readouterr().err == (
        f"subjective: interrupted; all is kept\nsubjective: to resume: subjective resume {tmp_path}\n"
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_whose_exception_python_drops_stops_the_run_after_the_step(tmp_path, capfd, number):
    """Exceptions are dropped while an object is cleaned up, which JAX does after it has compiled a program."""

    class Cleaned:
        def __del__(self):
            signal.raise_signal(number)

    def run():
        with Session(PictureFolder(tmp_path, pictures=1, save_every=0), []) as session:
            Cleaned()
            session.on_step(0, step(1))

    with pytest.raises(Interrupted) as raised:
        run()
    assert raised.value.number == number
    assert json.loads((tmp_path / "summary.json").read_text())["reason"] == "interrupted"
    assert "ignored" not in capfd.readouterr().err


def test_a_full_disk_is_named_by_the_file_that_found_no_room(tmp_path, capfd):
    with pytest.raises(FileError) as raised, file_errors("write", "elsewhere/made.png"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert stopped_by(raised.value, tmp_path).status == 2
    assert "no room left to write in elsewhere (No space left on device)" in capfd.readouterr().err
