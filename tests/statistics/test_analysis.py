"""Every term is measured where it says, of the octave's own pixels and maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
from helpers.analyses import THREE, analyze_fast, shape_of_tree, term
from helpers.pictures import noise

from subjective.choices import PADDINGS
from subjective.pyramid import TAPS, gaussian_pyramid
from subjective.statistics.analysis import analyze
from subjective.statistics.gram import gram
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis, network_layers


def blurred_by_scipy(image, mode):
    for axis in (0, 1):
        image = scipy.ndimage.correlate1d(image, np.array(TAPS), axis=axis, mode=mode)
    return image


def test_analyze_measures_each_term_where_it_is_taken():
    found = analyze_fast({}, noise(48, 40, 3), THREE)
    assert shape_of_tree(found) == [
        {"rgb": ["gram", "shifted"], "band": ["gram", "sliced"]},
        {"rgb": ["gram"], "band": ["gram"]},
        {"rgb": ["gram"], "band": ["gram", "sliced"]},
    ]


@pytest.mark.slow
def test_octaves_are_those_of_the_analysis_and_may_hold_nothing():
    found = analyze_fast({}, noise(48, 40, 3), Analysis((0, 2), (term("gram", ("rgb",), (2,)),)))
    assert shape_of_tree(found) == [{}, {"rgb": ["gram"]}]
    expected = gram(gaussian_pyramid(jnp.asarray(noise(48, 40, 3)), 3)[2])
    np.testing.assert_allclose(found[1]["rgb"]["gram"], expected, rtol=1e-6)


@pytest.mark.parametrize(("padding", "mode"), [("circular", "wrap"), ("same", "mirror"), ("valid", None)])
def test_the_pictures_layers_are_its_pixels_and_what_a_blur_takes_from_them(padding, mode, in_float64):
    image = np.random.default_rng(0).uniform(size=(24, 19, 3))
    detail = image - blurred_by_scipy(image, mode or "wrap")
    if padding == "valid":
        detail = detail[2:-2, 2:-2]
    found = analyze_fast({}, jnp.asarray(image), Analysis((0,), (term("gram", ("rgb", "band")),), padding))[0]
    for layer, features in (("rgb", image), ("band", detail)):
        expected = np.einsum("yxc,yxd->cd", features, features) / features.size
        np.testing.assert_allclose(found[layer]["gram"], expected, rtol=1e-9)


def test_layers_of_the_picture_and_of_the_network_are_measured_together(small_params):
    analysis = Analysis((0, 1), (term("gram", ("pool1", "rgb")), term("covariance", ("conv2_1", "band"), (1,))))
    found = analyze_fast(small_params, noise(48, 40, 3), analysis)
    assert shape_of_tree(found) == [
        {"rgb": ["gram"], "pool1": ["gram"]},
        {"rgb": ["gram"], "band": ["covariance"], "pool1": ["gram"], "conv2_1": ["covariance"]},
    ]
    assert network_layers(analysis.layers) == ("pool1", "conv2_1")
    with pytest.raises(ValueError, match="conv9_9"):
        analyze(small_params, jnp.asarray(noise(48, 40, 3)), Analysis((0,), (term("gram", ("conv9_9",)),)))


@pytest.mark.parametrize("octave", [1, 2])
def test_from_an_octave_on_the_reduced_picture_measures_the_same(octave):
    image = jnp.asarray(noise(48, 40, 3))
    whole = analyze_fast({}, image, THREE)[octave:]
    reduced = analyze_fast({}, gaussian_pyramid(image, octave + 1)[octave], THREE.from_octave(octave))
    assert shape_of_tree(whole) == shape_of_tree(reduced)
    assert jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, rtol=1e-5, atol=2e-6), whole, reduced))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("layer", ["rgb", "band"])
@pytest.mark.parametrize("octaves", [(0,), (0, 1), (1, 2)])
def test_the_smallest_picture_is_the_smallest_that_analyze_makes_numbers_of(padding, layer, octaves):
    analysis = Analysis(octaves, (term("gram", (layer,)),), padding)

    def accepted(size):
        try:
            measured = analyze_fast({}, noise(size, size, 3), analysis)
        except ValueError:
            return False
        return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(measured))

    smallest = smallest_picture(analysis, ())
    assert accepted(smallest)
    assert smallest == 1 or not accepted(smallest - 1)
