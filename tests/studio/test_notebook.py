"""A run in a notebook: shown once, then updated in place."""

import re
import sys

import numpy as np
import pytest
from helpers.pictures import smooth_noise

import subjective
from subjective.checks import MissingPackageError
from subjective.studio import notebook
from subjective.studio.chart import draw_loss


class Notebook:
    """What a notebook has shown: for each thing, how it looked each time."""

    def __init__(self):
        self.shown = []

    def display(self, thing, display_id):
        looks = [thing._repr_html_()]
        self.shown.append(looks)

        class Handle:
            def update(self, thing):
                looks.append(thing._repr_html_())

        return Handle()


CONFIG = subjective.SynthesisConfig(
    enough=0.0,
    output_width=32,
    octaves=1,
    layers=("pool1",),
    statistic=("gram",),
    max_iter=4,
    schedule="plain",
    tol=0.0,
)


def test_each_run_is_shown_once_and_updated_in_place(monkeypatch, small_params):
    monkeypatch.setattr(notebook, "INTERVAL", 0.0)
    monkeypatch.setattr(notebook, "SHARE", np.inf)
    book = Notebook()
    live = subjective.live(book.display)
    for _ in range(2):
        subjective.synthesize(smooth_noise(), CONFIG, params=small_params, on_step=live)
    assert [len(looks) for looks in book.shown] == [5, 5]
    for looks in book.shown:
        assert re.search("data:image/jpeg;base64,[A-Za-z0-9+/=]{100}", looks[-1])
        assert re.search(r"picture 1, step 4, loss [0-9.e-]+$", looks[-1])
        assert "<svg" in looks[-1]
        assert looks[1] != looks[2]


def test_steps_that_come_fast_are_not_all_shown(small_params):
    book = Notebook()
    subjective.synthesize(smooth_noise(), CONFIG, params=small_params, on_step=subjective.live(book.display))
    assert len(book.shown) == 1
    assert len(book.shown[0]) < 5


def test_outside_of_a_notebook_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(MissingPackageError, match="progress=True"):
        subjective.live()


def test_a_curve_falls_as_the_loss_does():
    drawn = draw_loss([0, 1, 2, 3], [100.0, 10.0, 1.0, 0.1])
    points = [tuple(map(float, point.split(","))) for point in re.search('points="([^"]+)"', drawn)[1].split()]
    across, down = np.transpose(points)
    assert np.ptp(np.diff(across)) < 0.2
    assert np.ptp(np.diff(down)) < 0.2  # a straight line on a logarithmic scale
    assert down[0] < down[-1]


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, None], [0.0, -1.0, float("inf")]])
def test_without_two_numbers_there_is_no_curve(losses):
    assert draw_loss(list(range(len(losses))), losses) == ""
