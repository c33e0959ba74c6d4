"""Guides: labels say which part of a source is seen in which part of the picture."""

import numpy as np
import pytest
import scipy.ndimage
from helpers.pictures import noise

from subjective.checks import InputError
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.guide import guide_layouts, read_guide
from subjective.synthesis.texture import synthesize

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def paint(labels, *colors):
    """A picture of labels, from numbers of colors."""
    return np.array(colors, np.uint8)[labels]


def source_and_labels(height=48, width=64):
    """A source whose left part is red and whose right part, a quarter, is green, and its labels."""
    right = (np.arange(width) >= 3 * width // 4)[None, :].repeat(height, axis=0)
    colors = np.where(right[..., None], [0.1, 0.7, 0.1], [0.7, 0.1, 0.1]) + 0.2 * noise(height, width, 3) - 0.1
    return np.clip(colors, 0, 1).astype(np.float32), paint(right.astype(int), RED, GREEN)


def labels_of_picture(size=64):
    """Green with a red disk."""
    rows, columns = np.indices((size, size)) - size // 2
    disk = np.hypot(rows, columns) < size / 4
    return ~disk, paint((~disk).astype(int), RED, GREEN)


def test_a_layout_follows_the_labels():
    source, labels = source_and_labels()
    green, wanted = labels_of_picture()
    guide = read_guide((labels, wanted), source.shape, (64, 64))
    layouts = guide_layouts(source, guide, SynthesisConfig(output_width=64))
    layout = np.asarray(layouts.at(0, 0, 0))
    inside = scipy.ndimage.uniform_filter(green.astype(float), 7, mode="wrap") % 1 == 0  # 3 pixels from the border
    assert ((layout[..., 1] > layout[..., 0]) == green)[inside].mean() > 0.95


@pytest.mark.slow
def test_each_region_gets_the_statistics_of_its_label(small_params):
    """From noise, so that no patch shows the way."""
    source, labels = source_and_labels()
    green, wanted = labels_of_picture()
    settings = {"octaves": 1, "statistic": ("gram",), "layers": ("pool1",), "init": "random"}
    config = SynthesisConfig(output_width=64, max_iter=8, **settings)
    [result] = synthesize(source, config, params=small_params, guide=(labels, wanted))
    made = result.picture
    assert ((made[..., 1] > made[..., 0]) == green).mean() > 0.9


def test_a_gray_ramp_is_cut_into_bands_with_soft_borders():
    source = np.tile(np.linspace(0, 255, 90).astype(np.uint8)[None, :, None], (40, 1, 3))
    guide = read_guide((source, source[:, ::-1]), source.shape, source.shape)
    assert guide.source.shape == guide.picture.shape == (40, 90, 4)
    np.testing.assert_allclose(guide.picture.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(guide.source, guide.picture[:, ::-1], atol=1e-5)
    step = np.abs(np.diff(guide.source, axis=1)).max()
    assert step < 0.1, "no pixel jumps from one band into the next"
    assert (guide.source.max(axis=(0, 1)) > 0.95).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ours": (RED, BLUE)}, "the source's labels have no #0000ff, which the picture's labels have"),
        ({"size": (64, 32)}, "the picture's labels are of 64x64 pixels; wanted 32x64, the size of the picture"),
        ({"ours": noise(64, 64, 3)}, r"the labels have \d+ colors; wanted at most 16"),
        ({"number": 1}, "got no two pictures"),
    ],
    ids=["a color that the source lacks", "size", "no labels", "one picture"],
)
def test_labels_that_do_not_fit_are_refused(change, says):
    source, labels = source_and_labels()
    green, _ = labels_of_picture()
    ours = change.get("ours", (RED, GREEN))
    wanted = ours if isinstance(ours, np.ndarray) else paint(green.astype(int), *ours)
    given = (labels, wanted)[: change.get("number", 2)]
    with pytest.raises(InputError, match=says):
        read_guide(given, source.shape, change.get("size", (64, 64)))


def test_a_guide_is_for_one_source(small_params):
    source, labels = source_and_labels()
    config = SynthesisConfig(output_width=64, octaves=1)
    with pytest.raises(InputError, match="guide is for one source, without masks; got 2 sources"):
        synthesize([source, source], config, params=small_params, guide=(labels, labels_of_picture()[1]))
