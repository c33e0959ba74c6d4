"""Distances of what is seen, where they have a closed form; and where a picture is looked at."""

import numpy as np
import pytest

import subjective
from subjective.evaluation.features import (
    LAYERS,
    SCALES,
    Observation,
    choose_places,
    gram_distances,
    pool_observations,
    sliced_distances,
)

HERE, THERE = ("conv1_2", 1.0), ("conv3_3", 0.5)


def seen(here, there):
    """A look at two places, of feature maps given as pixels."""
    pixels = {HERE: np.asarray(here, np.float64), THERE: np.asarray(there, np.float64)}
    return Observation({place: maps.T @ maps / maps.size for place, maps in pixels.items()}, pixels, np.ones(3))


def pixels(channels, seed=0):
    return np.random.default_rng(seed).normal(1, 2, (4096, channels))


def test_gram_matrices_of_stronger_features_are_off_by_the_power_that_is_too_much():
    one, other = pixels(5), pixels(3, seed=1)
    assert gram_distances(seen(1.5 * one, other), seen(one, other)) == pytest.approx([1.25, 0], abs=1e-12)


def test_gram_matrices_of_features_that_take_each_others_place():
    """Of two that never occur pool_observations, ‖diag(a, b) − diag(b, a)‖ / ‖diag(b, a)‖ = √2 (a − b) / √(a² + b²)."""
    maps = np.zeros((100, 2))
    maps[:50, 0], maps[50:, 1] = 2, 1
    found = gram_distances(seen(maps, maps[:, ::-1]), seen(maps[:, ::-1], maps))
    assert found == pytest.approx([np.sqrt(2) * 3 / np.sqrt(17)] * 2)


def test_distributions_that_are_moved_are_off_by_standard_deviations():
    one, other = pixels(4), pixels(6, seed=1)
    moved = one + 0.25 * one.std(axis=0)
    assert sliced_distances(seen(moved, other), seen(one, other)) == pytest.approx([0.25, 0], abs=1e-9)


def test_distributions_that_are_wider_are_off_by_their_mean_deviation():
    """Of 1 + s as wide, quantile by quantile s |q|; an even distribution deviates by √3/2 of its deviation."""
    even = np.linspace(-1, 1, 2**16)[:, None]
    [found, _] = sliced_distances(seen(1.2 * even, even), seen(even, even))
    assert found == pytest.approx(0.2 * np.sqrt(3) / 2, rel=0.01)


def test_a_distribution_that_does_not_deviate_counts_a_hundredth_of_its_size():
    flat = np.full((64, 2), 3.0)
    [found, _] = sliced_distances(seen(flat + 0.06, flat), seen(flat, flat))
    assert found == pytest.approx(2)


def test_several_looks_together_are_one_at_all_their_pixels():
    one, other = pixels(4), pixels(4, seed=1)
    both = pool_observations([seen(one, one), seen(other, other)])
    assert gram_distances(both, seen(np.concatenate([one, other]), np.concatenate([one, other]))) == pytest.approx(
        [0, 0], abs=1e-12
    )
    assert len(both.samples[HERE]) == 2 * len(one)


@pytest.mark.slow
def test_matched_layers_are_left_out_at_whole_octaves(params):
    everywhere = choose_places(params, (), 512)
    further = {(layer, 2**-2.5) for layer in LAYERS} | {(layer, 2**-3) for layer in LAYERS[:3]}  # no conv4_2
    assert set(everywhere) == {(layer, scale) for layer in LAYERS for scale in SCALES} | further
    found = choose_places(params, ("conv3_3", "pool1"), 512)
    left_out = set(everywhere) - set(found)
    assert left_out == {("conv3_3", 1.0), ("conv3_3", 0.5), ("conv3_3", 0.25), ("conv3_3", 0.125)}
    half_octaves = {2**-0.5, 2**-1.5, 2**-2.5}
    assert {scale for layer, scale in choose_places(params, LAYERS, 512) if layer in LAYERS} == half_octaves


def test_a_large_picture_is_looked_at_at_more_scales(params):
    further = {scale for _, scale in choose_places(params, (), 512)} - set(SCALES)
    assert further == {2**-2.5, 2**-3}  # 91 and 64 pixels
    assert {scale for _, scale in choose_places(params, (), 256)} == set(SCALES)


def test_a_small_picture_is_looked_at_at_fewer_scales(params):
    assert {scale for _, scale in choose_places(params, (), 64)} == {1.0, 2**-0.5, 0.5}
    assert {scale for _, scale in choose_places(params, (), 32)} == {1.0}
    assert choose_places(params, LAYERS, 32) == ((LAYERS[0], 1.0),)  # never nothing


def test_a_network_with_fewer_layers_is_looked_at_where_it_has_any(small_params):
    layers = {layer for layer, _ in choose_places(small_params, (), 128)}
    assert layers == {"conv1_2", "conv2_1", "conv3_3"} & set(subjective.layer_names(small_params))
