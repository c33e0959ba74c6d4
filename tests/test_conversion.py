"""Arrays of any number type become images, or are refused with a line that says what is wrong."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise

from subjective.checks import InputError
from subjective.conversion import SLACK, image_of


def test_an_image_stays_the_very_array():
    image = noise(4, 5, 3)
    assert image_of(image) is image


@pytest.mark.parametrize(
    ("array", "pixel"),
    [
        (np.full((2, 2), 51, np.uint8), (0.2, 0.2, 0.2)),
        (np.full((2, 2, 1), 13107, np.uint16), (0.2, 0.2, 0.2)),
        (np.array([[[True, False, True]]]), (1, 0, 1)),
        (np.array([[[0.5, 0.5]]]), (0.75, 0.75, 0.75)),
        (np.array([[[255, 0, 51, 51]]], np.uint8), (1, 0.8, 0.84)),
        ([[[0.1, 0.2, 0.3]]], (0.1, 0.2, 0.3)),
        (jnp.full((2, 2, 3), 0.5, jnp.bfloat16), (0.5, 0.5, 0.5)),
    ],
    ids=["gray", "gray of 16 bits", "bool", "gray and opacity", "RGBA over white", "lists", "bfloat16"],
)
def test_each_form_becomes_rgb(array, pixel):
    image = image_of(array)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[0, 0], pixel, atol=1e-6)


def test_floats_a_little_outside_are_clipped():
    image = image_of(np.array([[[-SLACK / 2, 0.5, 1 + SLACK / 2]]]))
    assert image.tolist() == [[[0, 0.5, 1]]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2, 3), 200.0), "it holds floats from 200 to 200; wanted floats in [0, 1]: divide by 255"),
        (np.full((2, 2, 3), -0.2), "holds floats from -0.2 to -0.2; wanted floats in [0, 1]: scale or clip them"),
        (np.full((2, 2, 3), np.nan), "it holds NaN or infinite values"),
        (np.full((2, 2, 3), 3), "it is of dtype int64; wanted uint8, uint16 or floats"),
        (np.zeros((2, 2, 5)), "it has shape (2, 2, 5); wanted (height, width) for gray"),
        (np.zeros((0, 2, 3)), "it has shape (0, 2, 3), without any pixel"),
        (np.float32(1), "it has shape ()"),
        (None, "it is NoneType; wanted a path, a PIL image, or an array"),
        (object(), "it is object; wanted a path, a PIL image, or an array"),
        ([[1, 2], [3]], "it cannot be read as an array"),
        (np.array([["a"]]), "it is an array of <U1; wanted a path"),
    ],
)
def test_what_is_no_picture_is_refused(array, message):
    with pytest.raises(InputError) as caught:
        image_of(array, "it")
    assert message in str(caught.value)
