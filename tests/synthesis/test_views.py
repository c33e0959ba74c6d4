"""What the network sees of a material."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise, smooth_noise

from subjective.losses import texture_loss
from subjective.materials import normals
from subjective.materials.maps import place_channels
from subjective.statistics.gram import GRAM
from subjective.statistics.terms import Analysis, Term
from subjective.synthesis.material_config import MaterialConfig
from subjective.synthesis.views import (
    CONTRAST,
    Group,
    SumOfViews,
    excess_tilt,
    extend,
    group_arguments,
    measure_channels,
    mix_channels,
    plan_views,
    sum_views,
)

KINDS = ("albedo", "normal", "height", "roughness", "metallic", "ao")


def planes_of(kinds=KINDS, size=(40, 44)):
    """Channels of maps of which each varies by itself; normals do not face away."""
    count = place_channels(kinds)[kinds[-1]].stop
    planes = np.concatenate([smooth_noise(seed, size) for seed in range(-(-count // 3))], axis=2)[:, :, :count]
    return np.asarray(0.35 + 0.3 * planes, np.float32)


def test_normals_are_seen_with_their_z():
    planes = planes_of()
    extended = np.asarray(extend(jnp.asarray(planes), KINDS))
    assert extended.shape[2] == planes.shape[2] + 1
    place = place_channels(KINDS)["normal"]
    vectors = normals.to_vectors(planes[:, :, place])
    np.testing.assert_allclose(extended[:, :, -1], (vectors[:, :, 2] + 1) / 2, atol=1e-6)
    assert extend(jnp.asarray(planes[:, :, :3]), ("albedo",)).shape[2] == 3


def test_normals_are_tilted_no_further_than_those_of_the_source():
    planes = planes_of()
    tilt = np.sum((planes[:, :, 3:5] * 2 - 1) ** 2, axis=2)
    assert excess_tilt(jnp.asarray(planes), KINDS, jnp.float32(tilt.max())) == 0
    planes[0, 0, 3:5] = 1.5
    excess = (8 - tilt.max()) ** 2 / tilt.size
    assert excess_tilt(jnp.asarray(planes), KINDS, jnp.float32(tilt.max())) == pytest.approx(excess, rel=1e-4)


def test_every_channel_is_seen_and_colors_stay_colors():
    planes = planes_of()
    channels = measure_channels(planes, KINDS)
    views = plan_views(channels, MaterialConfig(maps=KINDS, map_weights=("normal=2", "height=0.8")))
    assert [(view.name, view.is_color) for view in views] == [
        ("albedo", True),
        ("normal", False),
        ("height+roughness+metallic", False),
        ("ao", False),
    ]
    assert [view.weight for view in views] == pytest.approx([1, 2, 0.6, 0.5])
    np.testing.assert_allclose(views[0].show(planes, KINDS), planes[:, :, :3], atol=1e-6)
    for view in views[1:]:
        seen = view.show(planes, KINDS)
        np.testing.assert_allclose(seen.mean(axis=(0, 1)), 0.5, atol=1e-4)
        assert np.sqrt(seen.var(axis=(0, 1)).mean()) == pytest.approx(CONTRAST, rel=0.01)
    assert (np.abs(sum(view.matrix for view in views)).sum(axis=1) > 0).all()
    assert MaterialConfig(maps=KINDS).passes == len(views) + 1


def test_a_mixture_holds_as_much_of_each_map_and_depends_on_its_key_only():
    planes = planes_of()
    channels, config = measure_channels(planes, KINDS), MaterialConfig(maps=KINDS)
    one, same, other = (mix_channels(channels, config, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.matrix, same.matrix)
    assert np.abs(one.matrix - other.matrix).max() > 0.1
    extended = np.asarray(extend(jnp.asarray(planes), KINDS))
    for kind, places in channels.places.items():
        spread = (extended[:, :, places] @ one.matrix[places]).std(axis=(0, 1))
        assert 0.3 < np.sqrt((spread**2).mean()) / (CONTRAST / np.sqrt(len(KINDS))) < 2, kind


@pytest.mark.slow
def test_the_sum_of_views_and_its_gradient_are_those_of_all_at_once(small_params):
    planes = planes_of()
    channels, config = measure_channels(planes, KINDS), MaterialConfig(maps=KINDS)
    views = [*plan_views(channels, config), mix_channels(channels, config, np.random.default_rng(0))]
    analysis = Analysis((0,), (Term(GRAM, ("pool1",), (1.0,)),))
    loss = texture_loss(analysis)
    target = ({"pool1": {"gram": jnp.zeros((small_params["conv1_2"]["kernel"].shape[3],) * 2)}},)
    pairs = [(view, target) for view in views]
    groups = [pairs[:1], pairs[1:]]
    work = SumOfViews([Group(loss, tuple(view.name for view, _ in group)) for group in groups], KINDS)
    arguments = {"groups": [group_arguments(group) for group in groups], "params": small_params}

    def at_once(value):
        extended = extend(value, KINDS)
        return sum(
            view.weight * loss(extended @ view.matrix + view.offset[None, None], target, small_params)[0]
            for view in views
        )

    value = jnp.asarray(planes + 0.05 * (noise(*planes.shape) - 0.5))
    (scalar, parts), gradient = jax.value_and_grad(lambda v: sum_views(work, v, arguments), has_aux=True)(value)
    wanted, slope = jax.value_and_grad(at_once)(value)
    np.testing.assert_allclose(scalar, wanted, rtol=1e-5)
    np.testing.assert_allclose(sum(jax.tree.leaves(parts)), wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, atol=1e-5 * float(jnp.abs(slope).max()))
    assert sorted(parts) == sorted(view.name for view in views)
