"""Progress as a person sees it: on a terminal (a real one, without a size) and off it."""

import contextlib
import io
import logging
import os
import pty
import time

import jax.numpy as jnp
import pytest

from subjective import terminal
from subjective.optimize.minimizer import Point, Step
from subjective.optimize.protocol import State
from subjective.statistics.terms import Analysis, parse_term
from subjective.synthesis.coarse_to_fine import Position
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.forecast import Forecast, Phase, StageForecast
from subjective.synthesis.problem import Job
from subjective.synthesis.progress import PictureProgress
from subjective.synthesis.stages import Stage
from subjective.terminal import Verbosity, labelled, note, report_error, say, set_verbosity, silenced

ANALYSIS = Analysis((0,), (parse_term("gram", ("pool1",), (1.0,)),))


def job(*steps, pictures=1, starts=1):
    """A job whose stages, of 4, 8, ... pixels, have so many steps each; nothing of it can be run."""
    stages = [Stage(len(steps) - 1 - index, (4 * 2**index,) * 2, ANALYSIS, 0, most) for index, most in enumerate(steps)]
    return Job(SynthesisConfig(), stages, lambda *place: None, lambda *place: None, starts=starts, pictures=pictures)


def step(number, stage=0, attempt=0, picture=0, side=4):
    """A step with a number in its stage."""
    point = Point(State({}, 1.5, {}, 1.0), step=number)
    position = Position(picture, stage, attempt, 0, 0, 0.0, (), (), point)
    return Step(number, jnp.zeros((side, side, 3)), 1.5, {"texture": 1.5}, 1.0, number + 1, float(number), position)


def show(work, steps, forecast=None, stream=None):
    """Show steps on a stream; return what was written to a stream that is no terminal."""
    out = stream or io.StringIO()
    shown = PictureProgress(work, forecast, out)
    for one in steps:
        shown.update(one.position.picture, one)
    shown.close()
    return "" if stream else out.getvalue()


def heads(text):
    return [line.partition("  ")[0] for line in text.splitlines()]


class Clock:
    """A clock that advances by one second with each step."""

    now = 0.0

    def steps(self, *numbers):
        for number in numbers:
            yield step(number)
            self.now += 1


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(terminal.time, "monotonic", lambda: found.now)
    return found


def read_to_the_end(leader):
    """All that came over a terminal whose other side is closed: a single read gives what has arrived so far."""
    read = b""
    with contextlib.suppress(OSError):  # Linux tells the end of a terminal as an error
        while part := os.read(leader, 100_000):
            read += part
    return read.decode()


def test_a_terminal_gets_a_bar_with_loss_rate_and_time_left():
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        show(job(3, 2, pictures=2), [step(number, picture=p) for p in range(2) for number in range(4)], stream=terminal)
    shown = read_to_the_end(leader)
    os.close(leader)
    assert "3/3" in shown
    assert "loss 1.5" in shown
    assert "picture 2/2, 4x4 step" in shown
    assert "step/s" in shown or "s/step" in shown
    assert "\r" in shown


def test_off_a_terminal_there_are_plain_lines():
    lines = show(job(3, 2), [step(number) for number in range(4)]).splitlines()
    assert lines[0] == "4x4, step 0/3  loss 1.5"
    assert lines[-1].startswith("4x4, step 3/3  loss 1.5  ")
    assert "steps/s" in lines[-1]
    assert "left" in lines[-1]


def test_each_attempt_at_the_first_stage_has_its_own_count():
    steps = [step(n, attempt=a) for a in (0, 1) for n in (1, 2, 3)] + [step(n, stage=1, side=8) for n in (1, 2)]
    assert heads(show(job(3, 2, starts=2), steps)) == [
        "4x4, start 1/2, step 1/3",
        "4x4, start 1/2, step 3/3",
        "4x4, start 2/2, step 1/3",
        "4x4, start 2/2, step 3/3",
        "8x8, step 1/2",
        "8x8, step 2/2",
    ]


def test_each_stage_has_its_own_count():
    steps = [*(step(n) for n in range(4)), step(1, stage=1, side=8), step(2, stage=1, side=8)]
    assert heads(show(job(3, 2), steps)) == [
        "4x4, step 0/3",
        "4x4, step 1/3",
        "4x4, step 3/3",
        "8x8, step 1/2",
        "8x8, step 2/2",
    ]


STAGES = (StageForecast("4x4", 1.0, 10, 10), StageForecast("8x8", 4.0, 10, 10))


def test_a_line_says_which_share_of_the_run_is_done_and_how_long_the_rest_takes(clock):
    found = Forecast(STAGES, before=(Phase("reading", 5.0),), after=(Phase("measuring", 10.0),))
    first, *_, last = show(job(10, 10), clock.steps(*range(11)), found).splitlines()
    assert first.endswith("  0% of the run, 1 min left")  # reading is over; 10 + 40 + 10 s are to come
    # A step takes 1 s, as forecast; of the whole, the 40 s of the larger pictures and 10 s of measuring are left.
    assert last.endswith("  17% of the run, 50 s left")


def test_a_run_that_is_resumed_counts_what_was_made_before(clock):
    found = Forecast(STAGES)
    (line,) = show(job(10, 10), [step(5, stage=1, side=8)], found).splitlines()
    assert line.endswith("  60% of the run, 20 s left")


def test_if_steps_take_longer_than_forecast_all_later_steps_are_expected_to(clock):
    quick = Forecast(tuple(StageForecast(s.name, s.step_seconds / 2, 10, 10) for s in STAGES))
    *_, last = show(job(10, 10), clock.steps(*range(11)), quick).splitlines()
    assert last.endswith("40 s left")


def test_without_a_forecast_the_first_steps_tell_how_long_the_rest_takes(clock):
    first, *_, last = show(job(10, 10), clock.steps(*range(11))).splitlines()
    assert first.endswith("loss 1.5")
    # A step of 4x4 pixels takes 1 s. Of ten steps of 8x8 pixels, 4 s each, 8.5 are expected.
    assert last.endswith("23% of the run, 34 s left")


class NotebookStream(io.StringIO):
    """A stream that says, as that of a notebook does, that it is no terminal."""

    __module__ = "ipykernel.iostream"


def test_a_notebook_gets_a_bar():
    stream = NotebookStream()
    show(job(3, 2), [step(number) for number in range(4)], stream=stream)
    assert "\r" in stream.getvalue()
    assert "3/3" in stream.getvalue()


def test_quiet_writes_errors_only(capsys):
    set_verbosity(Verbosity.QUIET)
    note("a note")
    say("a line")
    report_error("an error")
    assert show(job(3, 2), [step(1), step(2)]) == ""
    assert capsys.readouterr().err == "subjective: an error\n"


def test_lines_of_one_of_many_runs_begin_with_its_name(capsys):
    with labelled("rock.jpg"):
        note("compiling ...")
        lines = show(job(1), [step(1)]).splitlines()
    say("2 of 2 made")
    assert lines[0].startswith("rock.jpg: 4x4, step 1/1  loss 1.5")
    assert capsys.readouterr().err == "subjective: rock.jpg: compiling ...\n2 of 2 made\n"


def test_verbose_writes_every_step_with_the_parts_of_the_loss():
    set_verbosity(Verbosity.VERBOSE)
    lines = show(job(3, 2), [step(number) for number in range(4)]).splitlines()
    assert len(lines) == 4
    assert all("texture" in line for line in lines)


def test_a_silenced_logger_writes_nothing_until_the_end_of_the_block(caplog):
    logger = logging.getLogger("of a library")
    with silenced(logger):
        logger.error("lost")
    logger.error("kept")
    assert caplog.messages == ["kept"]


def test_a_long_block_says_that_it_still_goes_on(capsys):
    with terminal.still("compiling", every=0.01):
        deadline = time.monotonic() + 30
        while "still" not in (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said.startswith("subjective: still compiling, ")
    capsys.readouterr()
    time.sleep(0.05)
    assert not capsys.readouterr().err  # it says no more once the block is over
