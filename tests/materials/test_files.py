"""The files of a material: found by their names, read in full, written as they were."""

from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import noise

from subjective import deep, encoding
from subjective.checks import InputError
from subjective.materials import normals
from subjective.materials.files import encode_map, find_maps, plan_files, read_files

COLORS = noise(12, 14, 3)


def write(name, values, depth="8"):
    path = Path(name)
    path.write_bytes(encoding.encode_pixels(np.atleast_3d(values).astype(np.float32), path.suffix, depth))


@pytest.fixture
def folder(here):
    """A material of four maps: colors of 8 bits, a height of 16, normals, and a pack of three."""
    write("wall_basecolor.png", COLORS)
    write("wall_height.png", noise(12, 14, 1, seed=1), "16")
    write("wall_nor_dx.png", normals.encode(normals.to_vectors(noise(12, 14, 2, seed=2) * 0.6 + 0.2)), "16")
    write("wall_orm.png", noise(12, 14, 3, seed=3))
    Path("readme.txt").touch()
    write("preview.png", COLORS)
    return here


def as_maps(planes):
    """Maps as a result has them."""
    maps = {kind: plane[:, :, 0] if plane.shape[2] == 1 else plane for kind, plane in planes.items()}
    if "normal" in maps:
        maps["normal"] = normals.encode(normals.to_vectors(maps["normal"]))
    return maps


def test_a_folder_is_read_and_written_again_to_the_bit(folder):
    given = find_maps([str(folder)])
    planes, files = read_files(given)
    assert list(planes) == ["albedo", "normal", "height", "roughness", "metallic", "ao"]
    written = plan_files(files, list(planes))
    assert {file.name: file.depth for file in written} == {
        "wall_basecolor.png": "8",
        "wall_height.png": "16",
        "wall_nor_dx.png": "16",
        "wall_orm.png": "8",
    }
    for file in written:
        Path("again.png").write_bytes(encode_map(file, as_maps(planes)))
        again, before = deep.read_pixels(Path("again.png")), deep.read_pixels(file.path)
        assert again.values.shape == before.values.shape
        most = 1.01 / 65535 if file.kinds == ("normal",) else 0.0  # z is computed again
        np.testing.assert_allclose(again.values, before.values, atol=most)


def test_files_may_be_named_by_hand(folder):
    write("scan.tif", noise(12, 14, 1))
    given = find_maps(["albedo=preview.png", "nor_gl=wall_nor_dx.png", "displacement=scan.tif"])
    assert [(path.name, named.kind, named.convention) for path, named in given] == [
        ("preview.png", "albedo", None),
        ("wall_nor_dx.png", "normal", "opengl"),
        ("scan.tif", "height", None),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wall_height.png"], "there is no albedo among the files, only height; name it, such as albedo=rock.png"),
        (["preview.png", "wall_height.png"], "the name of 'preview.png' says no map; name it, such as roughness="),
        (["wall_basecolor.png", "color=preview.png"], "both 'preview.png' and 'wall_basecolor.png' hold albedo"),
        (["wall_basecolor.png", "wall_orm.png", "ao=preview.png"], "both 'preview.png' and 'wall_orm.png' hold ao"),
        (["wall_basecolor.png", "hight=preview.png"], "no map called 'hight'; did you mean height"),
        (["wall_basecolr.png"], "no such file: 'wall_basecolr.png'; did you mean 'wall_basecolor.png'"),
        (["wall_basecolor.png", "height=none.png"], "no such file: 'none.png'"),
    ],
)
def test_what_is_no_material_is_refused_in_one_line(folder, words, message):
    with pytest.raises(InputError, match=message) as caught:
        find_maps(words)
    assert "\n" not in str(caught.value)


def test_maps_that_are_wanted_or_gray_are_checked(folder):
    given = find_maps([str(folder)])
    planes, files = read_files(given, ("albedo", "ao"))
    assert list(planes) == ["albedo", "ao"]
    assert [file.name for file in plan_files(files, list(planes))] == ["wall_basecolor.png", "wall_orm_ao.png"]
    with pytest.raises(InputError, match="names emissive, and no file holds it"):
        read_files(given, ("albedo", "emissive"))
    write("wall_nor_dx.png", noise(12, 14, 1))
    with pytest.raises(InputError, match="is gray; wanted RGB for normal"):
        read_files(given)


def test_y_of_normals_is_flipped_and_the_name_says_so(folder):
    planes, files = read_files(find_maps([str(folder)]))
    [file] = [one for one in plan_files(files, list(planes), flips_y=True) if one.kinds == ("normal",)]
    assert (file.name, file.convention) == ("wall_nor_gl.png", "opengl")
    Path("flipped.png").write_bytes(encode_map(file, as_maps(planes), flips_y=True))
    before, after = (deep.read_pixels(Path(name)).values for name in ("wall_nor_dx.png", "flipped.png"))
    np.testing.assert_allclose(after[:, :, 1], 1 - before[:, :, 1], atol=1.5 / 65535)
    np.testing.assert_allclose(after[:, :, ::2], before[:, :, ::2], atol=1.5 / 65535)


def test_a_height_of_any_range_comes_back(folder):
    pytest.importorskip("OpenImageIO")
    write("wall_height.exr", noise(12, 14, 1) * 30 - 10, "float")
    Path("wall_height.png").unlink()
    planes, files = read_files(find_maps([str(folder)]))
    assert planes["height"].min() == 0
    assert planes["height"].max() == 1
    [file] = [one for one in plan_files(files, list(planes)) if one.kinds == ("height",)]
    assert (file.name, file.depth) == ("wall_height.exr", "float")
    Path("again.exr").write_bytes(encode_map(file, as_maps(planes)))
    again, before = (deep.read_pixels(Path(name)).values for name in ("again.exr", "wall_height.exr"))
    np.testing.assert_allclose(again, before, atol=1e-5)


def test_depth_and_format_may_be_chosen_and_rounded_data_is_dithered(folder):
    planes, files = read_files(find_maps([str(folder)]))
    slope = np.broadcast_to(np.linspace(0.5, 0.5 + 2 / 255, 64, dtype=np.float32), (400, 64))
    for file in plan_files(files, list(planes), "8"):
        assert file.depth == "8"
        if file.kinds == ("height",):
            Path("made.png").write_bytes(encode_map(file, {"height": slope}))
            made = deep.read_pixels(Path("made.png")).values[:, :, 0]
            np.testing.assert_allclose(made.mean(axis=0), slope[0], atol=0.2 / 255)
    with pytest.raises(InputError, match=r"wall_basecolor.png cannot have the depth half"):
        plan_files(files, list(planes), "half")


def test_maps_of_one_file_get_names_of_their_own(folder):
    planes, files = read_files(find_maps(["albedo=preview.png", "height=preview.png"]))
    assert [file.name for file in plan_files(files, list(planes))] == ["preview_albedo.png", "preview_height.png"]
    with pytest.raises(InputError, match="two maps would be written as"):
        plan_files([files[0], files[0]], list(planes))


def test_maps_are_packed_and_taken_apart(folder):
    planes, files = read_files(find_maps([str(folder)]))
    apart = plan_files(files, list(planes), pack="none")
    assert sorted(file.name for file in apart)[3:] == [
        "wall_orm_ao.png",
        "wall_orm_metallic.png",
        "wall_orm_roughness.png",
    ]
    for file in apart:
        Path(f"apart_{file.kinds[0]}.png").write_bytes(encode_map(file, as_maps(planes)))
    again, files = read_files(find_maps([*map(str, Path().glob("apart_*.png"))]))
    for kind, plane in again.items():
        np.testing.assert_allclose(plane, planes[kind], atol=1e-4)
    [packed] = [file for file in plan_files(files, list(again), pack="mra") if len(file.kinds) == 3]
    assert packed.name == "apart_mra.png"
    Path(packed.name).write_bytes(encode_map(packed, as_maps(again)))
    before, after = (deep.read_pixels(Path(name)).values for name in ("wall_orm.png", "apart_mra.png"))
    np.testing.assert_array_equal(after, before[:, :, [2, 1, 0]])


def test_a_pack_holds_what_a_material_lacks(folder):
    planes, files = read_files(find_maps(["wall_basecolor.png", "rough=preview.png"]))
    [_, packed] = plan_files(files, list(planes), pack="orm")
    assert packed.name == "wall_orm.png"
    Path("made.png").write_bytes(encode_map(packed, as_maps(planes)))
    made = deep.read_pixels(Path("made.png")).values
    assert made[:, :, 0].min() == 1
    assert made[:, :, 2].max() == 0
    np.testing.assert_allclose(made[:, :, 1], planes["roughness"][:, :, 0], atol=0.51 / 255)
    planes, files = read_files(find_maps(["wall_basecolor.png"]))
    with pytest.raises(InputError, match="orm needs one of ao, roughness, metallic, and there is none"):
        plan_files(files, list(planes), pack="orm")
