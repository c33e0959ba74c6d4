"""Alignment: maps that go with the albedo are told from maps that do not."""

import numpy as np
import pytest
from helpers.pictures import smooth_noise

from subjective.colors import LUMA
from subjective.evaluation.alignment import measure_alignment, report_alignment


def material(seed=0, size=(96, 96)):
    """An albedo; a height that is its luminance, and a roughness that is the same with its sign turned."""
    albedo = smooth_noise(seed, size)
    shade = albedo @ LUMA.astype(np.float32)
    return {"albedo": albedo, "height": shade, "roughness": 1 - shade}


def test_a_part_of_a_material_is_aligned_as_the_whole():
    whole = material(size=(160, 128))
    part = {kind: plane[20:116, 10:106] for kind, plane in whole.items()}
    for alignment in measure_alignment(part, whole).values():
        assert min(alignment.strongest) > 0.9
        assert alignment.loss < 0.05
        np.testing.assert_allclose(alignment.strongest, alignment.strongest_in_source, atol=0.05)
        np.testing.assert_allclose(alignment.edges, alignment.edges_in_source, atol=0.15)
        assert min(alignment.information) > 0.8


def test_a_map_that_was_moved_is_not_aligned():
    whole = material()
    moved = whole | {"height": np.roll(whole["height"], (31, 17), (0, 1))}
    found = measure_alignment(moved, whole)
    assert found["height"].loss > 0.5
    assert abs(found["height"].edges[0]) < 0.3
    assert found["height"].information[0] < 0.3 < found["height"].information_in_source[0]
    assert found["roughness"].loss == pytest.approx(0, abs=1e-6)
    words = report_alignment([found])
    assert "are missing" in words.splitlines()[0]
    assert "are missing" not in words.splitlines()[1]


def test_the_sign_counts():
    whole = material()
    turned = whole | {"height": 1 - whole["height"]}
    assert measure_alignment(turned, whole)["height"].loss > 1.8


def test_flat_maps_have_no_alignment():
    whole = material() | {"height": np.full((96, 96), 0.5)}
    found = measure_alignment(whole, whole)["height"]
    assert found.strongest == found.edges == (0.0,) * len(found.edges)
    assert max(found.information) < 0.01
    assert found.to_json()["edges"] == [0.0] * len(found.edges)
