"""The part of a large source from which a picture takes its patches."""

import numpy as np
import pytest

from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.layout import join_layouts
from subjective.synthesis.part import LEAST, choose_part


@pytest.mark.parametrize("shape", [(40, 60), (LEAST, LEAST), (300, LEAST)])
def test_a_source_no_larger_than_a_part_is_taken_as_it_is(shape):
    source = np.zeros((*shape, 3), np.float32)
    assert choose_part(source, (64, 64)) is source


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((64, 64), (LEAST, LEAST)),
        ((640, 100), (1280, LEAST)),
        ((100, 640), (LEAST, 1280)),
        ((2000, 2000), (2100, 1500)),
    ],
)
def test_a_part_has_room_for_four_pictures_and_never_less_than_a_usual_source(size, shape):
    assert choose_part(np.zeros((2100, 1500, 1), np.float32), size).shape[:2] == shape


def test_a_part_shows_what_the_whole_shows(rng):
    source = rng.uniform(0.4, 0.6, (3000, 1000, 3)).astype(np.float32)
    source[:1500] -= 0.4
    part = choose_part(source, (256, 256))
    assert 0.4 < np.mean(part < 0.3) < 0.6


def test_a_part_is_as_rough_as_the_whole(rng):
    source = np.full((3000, 1000, 3), 0.5, np.float32)
    source[1600:] += rng.choice([-0.2, 0.2], (1400, 1000, 3)).astype(np.float32)  # the same mean
    part = choose_part(source, (256, 256))
    assert 0.3 < np.mean(part != 0.5) < 0.7


def test_a_flat_source_has_a_part():
    assert choose_part(np.ones((1100, 1100, 3), np.float32), (64, 64)).shape == (LEAST, LEAST, 3)


def test_the_layout_of_a_large_source_is_that_of_its_part(rng, monkeypatch):
    monkeypatch.setattr("subjective.synthesis.part.LEAST", 48)
    source = rng.random((80, 70, 3), np.float32)
    config = SynthesisConfig(output_width=24)
    whole, part = (join_layouts(config, [one]).at(0, 0, 0) for one in (source, choose_part(source, (24, 24))))
    np.testing.assert_array_equal(whole, part)
