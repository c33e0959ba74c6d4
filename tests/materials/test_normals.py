"""Normals: of length one, with a convention, and of a surface that can be integrated."""

import numpy as np
import pytest
import scipy.ndimage
from helpers.pictures import noise

from subjective.materials import normals

CONVENTIONS = ["opengl", "directx"]


def surface(rows=40, columns=48, seed=0):
    """A smooth height in pixels that wraps."""
    height = scipy.ndimage.gaussian_filter(noise(rows, columns, seed=seed).astype(np.float64), 2, mode="wrap") * 12
    return height - height.mean()


def test_any_picture_becomes_vectors_of_length_one_that_face_the_viewer(rng):
    for planes in (normals.to_plane(noise(20, 24, 3)), rng.uniform(-1, 2, (20, 24, 2))):
        vectors = normals.to_vectors(planes)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)
        assert vectors[:, :, 2].min() >= 0.9 * normals.LEAST_Z


def test_normals_of_length_one_are_kept():
    plane = normals.normals_of(surface(), "opengl")
    np.testing.assert_allclose(normals.to_plane(normals.encode(normals.to_vectors(plane))), plane, atol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_height_comes_back_from_its_normals(convention):
    height = surface()
    plane = normals.normals_of(height, convention)
    np.testing.assert_allclose(normals.integrate(plane, convention), height, atol=1e-4)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_convention_is_told_by_the_surface(convention):
    plane = normals.normals_of(surface(), convention)
    rough = np.clip(plane + 0.02 * (noise(40, 48, 2) - 0.5), 0, 1).astype(np.float32)
    assert normals.find_convention(rough) == convention
    assert normals.find_convention(normals.flip_y(rough)) == ({*CONVENTIONS} - {convention}).pop()
    assert normals.find_convention(np.full((20, 20, 2), 0.5, np.float32)) is None


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_light_falls_on_the_side_that_faces_it(convention):
    """Of a bump, the side towards the light is bright, whatever the convention."""
    rows, columns = np.mgrid[-20:20, -20:20]
    bump = 8 * np.exp(-(rows**2 + columns**2) / 60)
    gray = np.full((40, 40, 3), 0.5, np.float32)
    shown = normals.light(gray, normals.normals_of(bump, convention), convention, angle=90)[:, :, 0]
    assert shown[14, 20] > shown[20, 20] > shown[26, 20]
    shown = normals.light(gray, normals.normals_of(bump, convention), convention, angle=0)[:, :, 0]
    assert shown[20, 26] > shown[20, 20] > shown[20, 14]
