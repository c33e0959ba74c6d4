"""Materials from the library: what `synthesize_material` makes, and what it refuses."""

import jax
import numpy as np
import pytest
import scipy.ndimage
from helpers.pictures import noise, smooth_noise

from subjective import deep
from subjective.checks import InputError
from subjective.evaluation.alignment import measure_alignment
from subjective.evaluation.pixels import seam
from subjective.materials import normals
from subjective.synthesis import material
from subjective.synthesis.material import synthesize_material
from subjective.synthesis.material_config import MaterialConfig

SMALL = {
    "output_width": 72,
    "output_height": 64,
    "octaves": 1,
    "max_iter": 12,
    "enough": 0.0,
    "statistic": ("gram",),
    "layers": ("pool1",),
}


def stones(size=(96, 88), seed=0):
    """A material whose maps all follow from one height: dark in the low places, with normals and a roughness."""
    height = scipy.ndimage.gaussian_filter(noise(*size, seed=seed).astype(np.float64), 2.5, mode="wrap")
    height = (height - height.min()) / np.ptp(height)
    color = np.stack([height, 0.7 * height + 0.1, 0.5 * height + 0.2], axis=2)
    albedo = np.clip(color + 0.06 * (smooth_noise(1, size) - 0.5), 0, 1).astype(np.float32)
    plane = normals.normals_of(10 * height, "opengl")
    return {
        "albedo": albedo,
        "normal": normals.encode(normals.to_vectors(plane)),
        "height": height.astype(np.float32),
    }


@pytest.fixture(scope="module")
def made(small_params):
    """The losses of a run and its result."""
    losses = []
    [result] = synthesize_material(
        stones(), MaterialConfig(**SMALL), params=small_params, on_step=lambda _, step: losses.append(step.loss)
    )
    return losses, result


@pytest.mark.slow
def test_the_loss_falls_and_all_maps_are_made(made):
    losses, result = made
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.6 * losses[0]
    assert {kind: plane.shape for kind, plane in result.maps.items()} == {
        "albedo": (64, 72, 3),
        "normal": (64, 72, 3),
        "height": (64, 72),
    }
    np.testing.assert_allclose(np.linalg.norm(result.maps["normal"] * 2 - 1, axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(result), result.maps["albedo"])
    assert set(result.parts) == {"albedo", "normal", "height", "mixture", "layout", "tilt"}


def test_the_maps_go_with_the_albedo_as_in_the_source(made):
    _, result = made
    found = measure_alignment(result.maps, stones())
    for kind, alignment in found.items():
        assert min(alignment.strongest) > 0.7 * min(alignment.strongest_in_source), kind
    assert found["height"].information[0] > 0.7 * found["height"].information_in_source[0] > 0.7


def test_normals_that_were_written_integrate_to_a_height_without_a_seam(made, tmp_path):
    _, result = made
    result.save(tmp_path / "stones.png", depth="16")
    encoded = deep.read_pixels(tmp_path / "stones_normal.png")
    assert encoded.depth == "16"
    np.testing.assert_allclose(np.linalg.norm(encoded.values * 2 - 1, axis=2), 1, atol=1e-4)
    plane = normals.to_plane(encoded.values)
    height = normals.integrate(plane, "opengl")
    for given, axis in zip(normals.slopes(plane, "opengl"), (0, 1), strict=True):
        for surface in (height, result.maps["height"]):
            slope = (np.roll(surface, -1, axis) - np.roll(surface, 1, axis)) / 2
            assert np.corrcoef(slope.ravel(), given.ravel())[0, 1] > 0.6, "the normals are of the heights"
    # The slopes themselves must wrap: a height from a Fourier transform always does.
    for axis in (0, 1):
        for shown in (normals.encode(normals.to_vectors(plane)), np.repeat(height[:, :, None] / np.ptp(height), 3, 2)):
            whole = np.asarray(shown, np.float32)
            assert seam(whole, axis)[2] < 1.5 < seam(whole[:40, :50], axis)[2]


@pytest.mark.slow
def test_a_material_is_made_ready_alike_each_time(small_params):
    """A resumed run minimizes the loss of the run before: its mixtures and layouts come from the seed alone."""
    planes, kinds = material.read_maps(stones())

    def arguments_of(**settings):
        job = material.prepare(planes, kinds, MaterialConfig(**SMALL, **settings), small_params)
        [stage] = job.stages
        problems = [job.problem(stage, picture)[1] for picture in (0, 1)]
        return [jax.tree.map(np.asarray, one["verb"]["views"]["groups"]) for one in problems], job.problem(stage)[0]

    (first, second), loss = arguments_of()
    (again, _), same = arguments_of()
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert loss is same, "it is compiled once"
    mixtures = [groups[-1]["matrix"][-1] for groups in (first, second, arguments_of(seed=1)[0][0])]
    assert np.abs(mixtures[0] - mixtures[1]).max() > 0.05
    assert np.abs(mixtures[0] - mixtures[2]).max() > 0.05


@pytest.mark.parametrize(
    ("maps", "settings", "message"),
    [
        ({"height": noise(20, 20)}, {}, "maps has no albedo"),
        ({"albedo": noise(40, 40, 3), "hight": noise(40, 40)}, {}, "maps holds 'hight'; wanted albedo, normal"),
        ({"albedo": noise(40, 40, 3), "ao": noise(40, 36)}, {}, "albedo has 40x40 pixels and ao 36x40; wanted maps of"),
        ({"albedo": noise(40, 40, 3)}, {"maps": ("albedo", "ao")}, "maps has no ao"),
        ({}, {"maps": ("normal",)}, "leaves out albedo"),
        ({}, {"map_weights": ("normal=-1",)}, "holds 'normal=-1'; wanted a name once, and a number of 0 or more"),
        ({}, {"map_weights": ("norml=1",)}, "names 'norml'; wanted albedo"),
        ({}, {"join_mode": "geodesic"}, "joins several sources, and a material is one"),
        ({}, {"init": "phases"}, "a material starts with patches or random"),
        ({}, {"devices": 2}, "a material is made on one device"),
    ],
)
def test_what_makes_no_material_is_refused_in_one_line(small_params, maps, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        synthesize_material(maps, MaterialConfig(**SMALL, **settings), params=small_params)
    assert "\n" not in str(caught.value)


def test_a_material_ends_where_all_its_maps_together_are_as_near_as_quarters_of_the_source(small_params):
    planes, kinds = material.read_maps(stones())
    config = MaterialConfig(**SMALL | {"enough": 0.5})
    job = material.prepare(planes, kinds, config, small_params)
    [stage] = job.stages[-1:]
    assert job.enough(stage) > 0
    twice = material.prepare(planes, kinds, MaterialConfig(**SMALL | {"enough": 1.0}), small_params)
    assert twice.enough(stage) == pytest.approx(2 * job.enough(stage))
    [result] = synthesize_material(stones(), MaterialConfig(**SMALL | {"enough": 100.0}), params=small_params)
    assert result.steps == 0
