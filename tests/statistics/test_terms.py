"""Where a picture is measured, and how large it must be."""

import jax.numpy as jnp
import pytest
from helpers.analyses import THREE, term

from subjective.choices import PADDINGS
from subjective.pyramid import octave_size
from subjective.statistics.analysis import analyze
from subjective.statistics.autocorrelation import LAGS
from subjective.statistics.registry import STATISTICS
from subjective.statistics.room import fits, map_size, smallest_picture
from subjective.statistics.terms import Analysis, Term, index_terms


def test_layers_at_names_each_layer_of_an_octave_once():
    analysis = Analysis((0, 1), (term("gram", ("rgb", "band"), (0,)), term("shifted", ("band", "pool1"))))
    assert analysis.layers == ("rgb", "band", "pool1")
    assert analysis.layers_at(0) == ("rgb", "band", "pool1")
    assert analysis.layers_at(1) == ("band", "pool1")
    assert THREE.terms[1].applies_at(0, "rgb")
    assert not THREE.terms[1].applies_at(1, "rgb")
    assert not THREE.terms[1].applies_at(0, "band")


def test_from_an_octave_on_terms_move_with_it_or_end():
    assert THREE.from_octave(0) == THREE
    assert THREE.from_octave(1) == Analysis((0, 1), (term("gram", ("rgb", "band")), term("sliced", ("band",), (1,))))
    assert THREE.from_octave(2) == Analysis((0,), (term("gram", ("rgb", "band")), term("sliced", ("band",), (0,))))
    assert hash(THREE.from_octave(1).from_octave(1)) == hash(THREE.from_octave(2))
    assert Analysis((0, 2), (term("gram", ("rgb",), (0,)),)).from_octave(2) == Analysis((0,), ())
    assert Analysis((0,), THREE.terms, "valid", "max").from_octave(0).pooling == "max"


def test_the_smallest_picture_has_room_for_what_each_statistic_needs():
    terms = (term("spectrum", ("rgb",)), term("gram", ("rgb", "band")))
    assert smallest_picture(Analysis((0, 1), terms), ()) == 63, "32 pixels at octave 1, rounded up"
    assert smallest_picture(Analysis((0,), terms, "valid"), ()) == 24
    with pytest.raises(ValueError, match="wanted at least 63"):
        analyze({}, jnp.zeros((62, 80, 3)), Analysis((0, 1), terms))


def test_the_smallest_picture_leaves_out_what_is_not_measured():
    everywhere = Analysis((0, 1, 2), (term("gram", ("rgb", "band")),), "valid")
    finest = Analysis((0, 1, 2), (term("gram", ("rgb",)), term("gram", ("band",), (0,))), "valid")
    assert smallest_picture(everywhere, ()) == 29
    assert smallest_picture(finest, ()) == 13


@pytest.mark.slow
@pytest.mark.parametrize("octave", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("layer", ["rgb", "band", "pool1"])
def test_a_term_fits_from_the_size_at_which_its_map_is_large_enough(layer, padding, octave, small_params):
    spectrum = term("spectrum", (layer,))
    sizes = range(20, 200)
    first = next(size for size in sizes if fits(size, spectrum, octave, padding, small_params))
    assert not any(fits(size, spectrum, octave, padding, small_params) for size in range(20, first))
    assert all(fits(size, spectrum, octave, padding, small_params) for size in range(first, 200))
    least = 2 * LAGS if padding == "circular" else 3 * LAGS // 2
    side = octave_size(first, octave, padding)
    assert map_size(side, layer, padding, small_params) == least


def test_map_size_is_the_size_of_the_map(small_params):
    for padding in PADDINGS:
        for layer in ("rgb", "band", "conv2_1"):
            analysis = Analysis((0,), (Term(STATISTICS["gram"], (layer,), (1.0,)),), padding)
            size = smallest_picture(analysis, small_params)
            assert map_size(size, layer, padding, small_params) >= 1
            assert size == 1 or map_size(size - 1, layer, padding, small_params) < 1


def test_places_hold_each_statistic_with_its_weight_there():
    terms = [Term(STATISTICS["gram"], ("rgb", "pool1"), (1.0, 2.0)), Term(STATISTICS["sliced"], ("rgb",), (3.0,))]
    assert index_terms(terms) == {
        ("rgb", "gram"): (STATISTICS["gram"], 1.0),
        ("pool1", "gram"): (STATISTICS["gram"], 2.0),
        ("rgb", "sliced"): (STATISTICS["sliced"], 3.0),
    }


def test_a_statistic_given_twice_at_one_layer_is_refused():
    with pytest.raises(ValueError, match="gram is given twice at layer rgb"):
        index_terms([term("gram", ("rgb",)), term("gram", ("band", "rgb"))])
    with pytest.raises(ValueError, match="gram is given twice at layer rgb"):
        index_terms([term("gram", ("rgb", "rgb"))])
    with pytest.raises(ValueError, match="weights has 1 number for 2 layers; give one for each layer"):
        index_terms([Term(STATISTICS["gram"], ("rgb", "band"), (1.0,))])
