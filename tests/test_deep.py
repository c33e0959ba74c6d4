"""Pictures at their own depth: each format keeps what it is given, to the bit."""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import ROCK, noise
from helpers.processes import SMALL
from PIL import Image, ImageCms

from subjective import deep, encoding, images, light
from subjective.checks import InputError
from subjective.cli.main import main
from subjective.decoding import PictureWarning

ALL = [(suffix, depth) for suffix, depths in encoding.WRITABLE.items() for depth in depths]
LOSSLESS = [(suffix, depth) for suffix, depth in ALL if suffix not in (".jpg", ".jpeg", ".webp")]


def need_library(suffix, depth):
    if suffix == ".exr" or (suffix.startswith(".tif") and depth != "8"):
        pytest.importorskip("OpenImageIO")


def stored(values, depth):
    """The numbers that a depth can hold, nearest to the given ones."""
    if depth in deep.MOST:
        return encoding.round_to_depth(values, depth).astype(np.float32) / np.float32(deep.MOST[depth])
    return values.astype(np.float16 if depth == "half" else np.float32).astype(np.float32)


@pytest.mark.parametrize(("suffix", "depth"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_to_the_bit(tmp_path, suffix, depth, channels):
    need_library(suffix, depth)
    values = stored(noise(19, 23, channels), depth)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoding.encode_pixels(values, suffix, depth))
    read = deep.read_pixels(path)
    assert read.depth == depth
    np.testing.assert_array_equal(read.values, values)


@pytest.mark.parametrize("suffix", [".tif", ".exr"])
def test_floats_beyond_white_are_kept(tmp_path, suffix):
    need_library(suffix, "float")
    values = (noise(5, 6, 3) * 40 - 20).astype(np.float32)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoding.encode_pixels(values, suffix, "float"))
    np.testing.assert_array_equal(deep.read_pixels(path).values, values)


def test_a_picture_of_16_bits_is_a_png_like_others(tmp_path):
    """Its rows, checksums and texts are read by another library."""
    picture = noise(12, 9, 3)
    images.write_image(tmp_path / "a.png", picture, depth="16", text={"subjective:config": "größer"})
    with Image.open(tmp_path / "a.png") as opened:
        opened.load()
        assert opened.text == {"subjective:config": "größer"}
        np.testing.assert_allclose(np.asarray(opened) / 255, picture, atol=1.01 / 255)
    np.testing.assert_allclose(images.read_image(tmp_path / "a.png"), picture, atol=0.51 / 65535)


def test_light_of_any_strength_comes_back(tmp_path):
    given = np.geomspace(1e-4, 12, 60, dtype=np.float32).reshape(4, 5, 3)
    for peak in (1.0, 12.0):
        screen = light.to_screen(np.minimum(given, peak), peak)
        assert 0 <= screen.min() <= screen.max() <= 1
        assert (np.diff(screen.ravel()) >= 0).all()
        np.testing.assert_allclose(light.to_light(screen, peak), np.minimum(given, peak), rtol=2e-5)
    assert light.to_screen(np.float32(0.2140411)[None, None, None], 1.0) == pytest.approx(0.5, abs=1e-5)


def test_a_picture_as_openexr_has_the_same_colors(tmp_path):
    pytest.importorskip("OpenImageIO")
    picture = noise(8, 9, 3)
    images.write_image(tmp_path / "a.exr", picture)
    assert deep.read_pixels(tmp_path / "a.exr").depth == "half"
    np.testing.assert_allclose(images.read_image(tmp_path / "a.exr"), picture, atol=1e-3)


def test_dither_keeps_a_slow_slope():
    """Over a slope of two steps, means of dithered rows follow the slope; rounded rows are terraces."""
    slope = np.broadcast_to(np.linspace(0.5, 0.5 + 2 / 255, 64, dtype=np.float32)[None, :, None], (400, 64, 1))
    dithered, rounded = (
        encoding.round_to_depth(slope, "8", dither=dither).mean(axis=0) / 255 for dither in (True, False)
    )
    assert np.abs(dithered - slope[0]).max() < 0.2 / 255
    assert np.abs(rounded - slope[0]).max() > 0.4 / 255


@pytest.mark.parametrize(
    ("suffix", "depth", "words"),
    [
        (".png", "half", "'a.png' cannot have the depth half; wanted depth 8 or 16, or a name that ends in .exr"),
        (".jpg", "16", "wanted depth 8, or a name that ends in .png or .tif"),
        (".exr", "8", "wanted depth half or float, or a name that ends in .png or .tif"),
    ],
)
def test_a_depth_that_a_format_lacks_is_refused(suffix, depth, words):
    with pytest.raises(InputError, match=words):
        images.encode_image(noise(4, 4, 3), suffix, name=f"a{suffix}", depth=depth)


def test_what_needs_the_extra_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenImageIO", None)
    (tmp_path / "a.exr").write_bytes(b"\x76\x2f\x31\x01" + bytes(40))
    with pytest.raises(InputError, match=r"is OpenEXR, which needs .* pip install 'subjective\[maps\]'"):
        images.read_image(tmp_path / "a.exr")
    with pytest.raises(InputError, match=r"pip install 'subjective\[maps\]'"):
        images.write_image(tmp_path / "b.tif", noise(4, 4, 3), depth="16")


def test_colors_of_16_bits_in_tiff(tmp_path, monkeypatch):
    pytest.importorskip("OpenImageIO")
    values = stored(noise(7, 5, 3), "16")
    (tmp_path / "a.tif").write_bytes(encoding.encode_pixels(values, ".tif", "16"))
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.tif"), values)
    monkeypatch.setitem(sys.modules, "OpenImageIO", None)
    with pytest.warns(PictureWarning, match=r"read as 8 bits; to keep all, pip install 'subjective\[maps\]'"):
        read = images.read_image(tmp_path / "a.tif")
    np.testing.assert_allclose(read, values, atol=1.01 / 255)


def test_a_color_profile_is_followed_by_colors_and_not_by_data(tmp_path):
    """A gray of 16 bits through a foreign profile changes as a color, with a warning; as data it stays what it is."""
    values = np.full((4, 4, 3), 0.25, np.float32)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = encoding.encode_pixels(values, ".png", "16")
    for name, foreign in (("sRGB", False), ("other", True)):
        profile = lab if not foreign else lab.replace(b"sRGB", b"xRGB").replace(b"s\0R\0G\0B", b"x\0R\0G\0B")
        file = io.BytesIO()
        Image.new("RGB", (1, 1)).save(file, "PNG", icc_profile=profile)
        donor = file.getvalue()
        begin = donor.index(b"iCCP") - 4
        chunk = donor[begin : begin + 12 + int.from_bytes(donor[begin : begin + 4], "big")]
        path = tmp_path / f"{name}.png"
        path.write_bytes(plain[:33] + chunk + plain[33:])
        assert deep.read_pixels(path).depth == "16"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            images.read_image(path)
        assert bool(caught) == foreign


@pytest.mark.parametrize(("suffix", "depth"), [(".png", "16"), (".tif", "16"), (".exr", "half")])
def test_damaged_files_are_refused_in_one_line(tmp_path, rng, suffix, depth):
    need_library(suffix, depth)
    data, path = encoding.encode_pixels(noise(9, 9, 3), suffix, depth), tmp_path / f"a{suffix}"
    for _ in range(40):
        broken = bytearray(data[: rng.integers(30, len(data))])
        for place in rng.integers(8, len(broken), 3):
            broken[place] = rng.integers(256)
        path.write_bytes(bytes(broken))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PictureWarning)
            refused = f"{path} is read"
            try:
                deep.read_pixels(path)
            except InputError as error:
                refused = str(error)
        assert str(path) in refused
        assert "\n" not in refused


def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path):
    pytest.importorskip("OpenImageIO")
    (tmp_path / "a.exr").write_bytes(ROCK.read_bytes())
    assert images.read_image(tmp_path / "a.exr").shape == (256, 320, 3)
    (tmp_path / "b.png").write_bytes(encoding.encode_pixels(noise(4, 4, 3), ".exr", "float"))
    assert deep.read_pixels(tmp_path / "b.png").is_light
    (tmp_path / "c.exr").write_bytes(b"\x76\x2f\x31\x01" + b"#?RADIANCE\n")
    with pytest.raises(InputError, match="damaged"):
        images.read_image(tmp_path / "c.exr")


@pytest.mark.slow
def test_a_run_writes_the_depth_that_is_asked_for(here, capsys):
    """The run folder and a TIFF hold 16 bits; OpenEXR holds floats that are no multiples of 1 / 65535."""
    pytest.importorskip("OpenImageIO")
    for out, depth in (("a.tif", "16"), ("a.exr", "float")):
        assert main(["synthesize", "-s", str(ROCK), *SMALL, "--out", out, "--depth", depth]) == 0
        folder = Path(capsys.readouterr().out.split("\n")[0])
        kept, copied = deep.read_pixels(folder / "result.png"), deep.read_pixels(here / out)
        assert kept.depth == "16"
        assert copied.depth == depth
        screen = light.to_screen(copied.values, 1.0) if out == "a.exr" else copied.values
        np.testing.assert_allclose(screen, kept.values, atol=0.6 / 65535)
        assert np.unique(kept.values).size > 256
    steps = screen.astype(np.float64) * 65535
    assert np.abs(steps - np.rint(steps)).max() > 0.2


@pytest.mark.parametrize(
    ("suffix", "depth"),
    [
        (".png", "8"), (".png", "16"), (".jpg", "8"), (".webp", "8"), (".tif", "8"), (".tif", "16"), (".tif", "float"),
    ],
)  # fmt: skip
def test_a_color_profile_is_stored_and_found_again(tmp_path, suffix, depth):
    if suffix == ".tif":
        pytest.importorskip("OpenImageIO")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture, path = noise(20, 30, 3), tmp_path / f"a{suffix}"
    images.write_image(path, picture, depth=depth, icc=profile)
    assert images.read_profile(path) == profile
    images.write_image(tmp_path / f"b{suffix}", picture, depth=depth)
    assert images.read_profile(tmp_path / f"b{suffix}") is None
    for one in (path, tmp_path / f"b{suffix}"):
        np.testing.assert_array_equal(deep.read_pixels(one).values, deep.read_pixels(path).values)
