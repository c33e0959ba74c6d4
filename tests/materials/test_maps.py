"""The kinds of maps, and the names that files have."""

import pytest

from subjective.checks import InputError
from subjective.materials.maps import (
    KINDS,
    Named,
    channels_of,
    name_files,
    order_kinds,
    place_channels,
    read_kind,
    read_name,
)


@pytest.mark.parametrize(
    ("stem", "kind", "convention"),
    [
        ("rock_albedo", "albedo", None),
        ("rock-basecolor", "albedo", None),
        ("T_Rock_BaseColor", "albedo", None),
        ("rock_diff_1k", "albedo", None),
        ("Rock035_2K-PNG_Color", "albedo", None),
        ("rock_nor_gl_1k", "normal", "opengl"),
        ("Rock035_2K-PNG_NormalDX", "normal", "directx"),
        ("rock normal", "normal", None),
        ("rock_disp_4k", "height", None),
        ("Rock035_Displacement", "height", None),
        ("rock_Roughness", "roughness", None),
        ("rock_gloss", "gloss", None),
        ("metal_metallic", "metallic", None),
        ("metal_normal", "normal", None),
        ("Rock035_AmbientOcclusion", "ao", None),
        ("rock_arm_1k", "arm", None),
        ("Rock_ORM", "orm", None),
        ("rock_spec", "specular", None),
        ("leaf_opacity", "opacity", None),
        ("lamp_emissive", "emissive", None),
    ],
)
def test_the_usual_names_are_known(stem, kind, convention):
    assert read_name(stem) == Named(kind, convention)


@pytest.mark.parametrize("stem", ["rock", "photo 12", "normality", "armchair", "preview_sphere"])
def test_other_names_say_nothing(stem):
    assert read_name(stem) is None


def test_the_file_that_begins_the_names_of_others_is_the_albedo():
    kinds = [found and found.kind for found in name_files(["metal", "metal_normal", "metal_specular", "notes"])]
    assert kinds == ["albedo", "normal", "specular", None]
    assert [found.kind for found in name_files(["metal_color", "metal_normal", "metal"])] == [
        "albedo",
        "normal",
        "metallic",
    ], "there is an albedo already"


def test_a_name_that_is_no_map_gets_a_guess():
    assert read_kind("nor_dx") == Named("normal", "directx")
    with pytest.raises(InputError, match="no map called 'ruoghness'; did you mean roughness"):
        read_kind("ruoghness")


def test_channels_lie_side_by_side_albedo_first():
    kinds = order_kinds(["height", "normal", "albedo"])
    assert kinds == ("albedo", "normal", "height")
    assert channels_of(kinds) == (3, 2, 1)
    places = place_channels(kinds)
    assert [(place.start, place.stop) for place in places.values()] == [(0, 3), (3, 5), (5, 6)]
    assert next(iter(KINDS)) == "albedo"
