import io
import struct
import zlib

import imageio.v3 as iio
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageCms

from subjective import images
from subjective.checks import InputError

GRADIENT = np.stack([*np.meshgrid(np.arange(0, 256, 16), np.arange(0, 256, 32)), np.full((8, 16), 77)], 2).astype(
    np.uint8
)


def saved(tmp_path, picture, name="picture.png", **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


def png_claiming(width, height):
    """A PNG of a few bytes that claims a size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def test_color_is_read_as_shares_of_255(tmp_path):
    image = images.read_image(saved(tmp_path, Image.fromarray(GRADIENT)))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, GRADIENT.astype(np.float32) / 255)


def test_what_is_written_is_read_again(tmp_path, rng):
    image = rng.integers(0, 256, (9, 7, 3)).astype(np.float32) / 255
    images.write_image(tmp_path / "a.png", image)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), image)


def test_writing_rounds_and_refuses_floats_that_are_no_pixels(tmp_path):
    image = np.array([[[-0.0005, 0.0, 0.4999 / 255], [0.501 / 255, 1.0, 1.0005]]], np.float32)
    images.write_image(tmp_path / "a.png", image)
    assert iio.imread(tmp_path / "a.png").tolist() == [[[0, 0, 0], [1, 255, 255]]]
    with pytest.raises(InputError, match=r"holds floats from 0 to 128; wanted floats in .*divide by 255"):
        images.write_image(tmp_path / "b.png", np.array([[[0.0, 3.0, 128.0]]]))
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float64, jnp.float32])
def test_each_type_of_number_writes_the_same_gray(tmp_path, kind):
    value = {np.uint8: 128, np.uint16: 128 * 257}.get(kind, 128 / 255)
    make = jnp.full if kind is jnp.float32 else np.full
    images.write_image(tmp_path / "a.png", make((2, 3, 3), value, kind))
    assert iio.imread(tmp_path / "a.png").tolist() == [[[128] * 3] * 3] * 2


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16", "P"])
def test_a_pil_picture_is_taken_as_its_file_is(tmp_path, mode):
    opened = Image.fromarray(GRADIENT).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        opened = Image.fromarray(np.asarray(opened, np.uint16) * 256)
    path = saved(tmp_path, opened)
    np.testing.assert_array_equal(images.as_image(opened), images.read_image(path))
    np.testing.assert_array_equal(images.as_image(path), images.as_image(str(path)))


def test_png_carries_its_provenance(tmp_path):
    images.write_image(tmp_path / "a.png", np.zeros((2, 2, 3)), text={"Software": "subjective", "ü": "日本"})
    with Image.open(tmp_path / "a.png") as file:
        assert file.text == {"Software": "subjective", "ü": "日本"}


def test_grey_becomes_three_equal_channels(tmp_path):
    image = images.read_image(saved(tmp_path, Image.fromarray(GRADIENT[:, :, 0])))
    np.testing.assert_array_equal(image, np.repeat(GRADIENT[:, :, :1] / np.float32(255), 3, 2))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_of_16_bits_keeps_them(tmp_path, name):
    values = np.array([[0, 1, 255, 256, 32768, 65535]], np.uint16)
    image = images.read_image(saved(tmp_path, Image.fromarray(values), name))
    np.testing.assert_allclose(image[0, :, 0], values[0] / 65535, atol=1e-7)


def test_color_of_16_bits_keeps_them(tmp_path):
    # Written by hand, so that the reader is held to the format and not to the writer.
    values = np.linspace(0, 65535, 24).astype(">u2").reshape(2, 4, 3)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in values)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), values.astype(np.float32) / np.float32(65535))
    half = images.read_image(tmp_path / "a.png", width=2)
    assert half.shape == (1, 2, 3)
    assert half.mean() == pytest.approx(0.5, abs=0.01)


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.fromarray(GRADIENT).convert("P", palette=Image.Palette.ADAPTIVE)
    expected = np.asarray(picture.convert("RGB")) / np.float32(255)
    np.testing.assert_array_equal(images.read_image(saved(tmp_path, picture)), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_over_white(tmp_path, mode):
    color = (200, 100, 50) if mode == "RGBA" else (100,)
    opaque, half, clear = (Image.new(mode, (3, 3), (*color, alpha)) for alpha in (255, 128, 0))
    expected = np.array(color if mode == "RGBA" else color * 3) / 255
    np.testing.assert_allclose(images.read_image(saved(tmp_path, opaque))[0, 0], expected, atol=1e-6)
    between = expected * 128 / 255 + 127 / 255
    for picture, color in ((half, between), (clear, np.ones(3))):
        with pytest.warns(images.PictureWarning, match="transparent pixels are laid over white"):
            read = images.read_image(saved(tmp_path, picture))
        np.testing.assert_allclose(read[0, 0], color, atol=1 / 255)


def test_a_transparent_palette_color_lies_over_white(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    with pytest.warns(images.PictureWarning, match="transparent"):
        image = images.read_image(saved(tmp_path, picture, transparency=1))
    np.testing.assert_allclose(image[0], [[1, 0, 0], [1, 1, 1]], atol=1e-6)


def test_cmyk_is_read_as_its_colors(tmp_path):
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    with pytest.warns(images.PictureWarning, match="it is CMYK without a color profile"):
        read = images.read_image(saved(tmp_path, picture, "a.tif"))
    np.testing.assert_allclose(read[0, 0], [1, 0, 0], atol=0.02)


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(images.PictureWarning, match=r"a\.gif': only the first of its frames is read"):
        read = images.read_image(path)
    np.testing.assert_array_equal(read[0, 0], [1, 0, 0])


def test_a_ppm_of_16_bits_is_read_to_8(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 65535\n" + np.array([65535, 32768, 0], ">u2").tobytes())
    with pytest.warns(images.PictureWarning, match="its colors of 16 bits are read as 8 bits"):
        read = images.read_image(tmp_path / "a.ppm")
    np.testing.assert_allclose(read[0, 0], [1, 0.5, 0], atol=1 / 255)


def test_nothing_is_said_of_files_that_lose_nothing(tmp_path, rng):
    """Warnings are errors in tests. The offsets in some of these TIFF files contain the digits 16."""
    for height in range(4, 64):
        picture = Image.fromarray(rng.integers(0, 255, (height, 40, 3), dtype=np.uint8))
        images.read_image(saved(tmp_path, picture, "a.tif", compression="tiff_lzw"))
    images.read_image(saved(tmp_path, picture, "a.jpg", format="MPO", save_all=True, append_images=[picture]))
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 70, 0, 0, 66, 40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    colors = struct.pack("<IIIHH", 0xF800, 0x07E0, 0x001F, 0xF800, 0)  # 5, 6 and 5 bits
    (tmp_path / "a.bmp").write_bytes(head + colors)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.bmp")[0, 0], [1, 0, 0])


def test_a_color_profile_is_followed(tmp_path):
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    muted = GRADIENT // 2 + 64  # 8-bit Lab is coarse near the corners of the color cube
    picture = Image.fromarray(muted)
    converted = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    path = saved(tmp_path, converted, "a.tif", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    np.testing.assert_allclose(images.read_image(path), muted / 255, atol=0.03)


def test_the_cameras_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    path = saved(tmp_path, Image.fromarray(GRADIENT), exif=exif.tobytes())
    np.testing.assert_array_equal(images.read_image(path), np.rot90(GRADIENT, -1) / np.float32(255))


def test_resizing_is_pillows_lanczos_in_8_bits(tmp_path):
    picture = Image.fromarray(GRADIENT)
    path = saved(tmp_path, picture)
    by_scale = np.asarray(picture.resize((8, 4), Image.Resampling.LANCZOS)) / np.float32(255)
    np.testing.assert_array_equal(images.read_image(path, scale=0.5), by_scale)
    by_width = np.asarray(picture.resize((6, 3), Image.Resampling.LANCZOS)) / np.float32(255)
    np.testing.assert_array_equal(images.read_image(path, width=6), by_width)


def test_a_float_image_is_resized_channel_by_channel():
    image = (GRADIENT / 255).astype(np.float32)
    resized = images.resize(image, (4, 8))
    expected = np.asarray(Image.fromarray(GRADIENT).resize((8, 4), Image.Resampling.LANCZOS)) / 255
    np.testing.assert_allclose(resized, expected, atol=0.003)
    assert images.resize(image, (8, 16)) is image


def test_grey_of_32_bits_beyond_16_is_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.full((2, 2), 200_000, np.int32)), "a.tif")
    with pytest.raises(ValueError, match="integers from 200000"):
        images.read_image(path)


def test_a_transparent_grey_of_16_bits_lies_over_white(tmp_path):
    picture = Image.fromarray(np.array([[0, 32768]], np.uint16))
    image = images.read_image(saved(tmp_path, picture, transparency=0))
    np.testing.assert_allclose(image[0, :, 0], [1, 32768 / 65535], atol=1e-6)


def test_a_damaged_note_of_the_camera_does_not_matter(tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\xff\x08\0\0\0\0\0\0\0"
    path = saved(tmp_path, Image.fromarray(GRADIENT), "a.jpg", exif=exif, quality=100, subsampling=0)
    np.testing.assert_allclose(images.read_image(path), GRADIENT / 255, atol=0.05)


REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"This is not a picture.", "not a picture"),
    "bomb": (png_claiming(100_000, 100_000), "100000x100000|more than"),
    "cut": (None, "damaged or incomplete"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_in_one_line(tmp_path, kind):
    content, message = REFUSED[kind]
    if content is None:
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(buffer, "png")
        content = buffer.getvalue()[:3000]
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        images.read_image(path)
    assert "\n" not in str(caught.value)


def test_a_picture_that_would_become_huge_or_nothing_is_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(GRADIENT))
    with pytest.raises(ValueError, match="more than"):
        images.read_image(path, scale=1e4)
    with pytest.raises(ValueError, match="0x0"):
        images.read_image(path, scale=1e-4)
    with pytest.raises(ValueError, match="one of them"):
        images.read_image(path, scale=1.0, width=4)


def test_images_that_cannot_be_written_leave_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    for unfit in (np.zeros((4, 4, 5)), np.full((4, 4, 3), np.nan)):
        with pytest.raises(InputError, match=r"the picture (has shape \(4, 4, 5\)|holds NaN)"):
            images.write_image(path, unfit)
    with pytest.raises(ValueError, match=r"wanted a name that ends in \.png, \.jpg"):
        images.write_image(tmp_path / "a.xyz", np.zeros((4, 4, 3)))
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_files_folders_and_patterns_are_found_in_order(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    def found(*sources):
        return [str(path.relative_to(tmp_path)) for path in images.find_images(sources)]

    assert found(tmp_path) == ["a.JPG", "b.png"]
    assert found(tmp_path / "b.png", tmp_path) == ["b.png", "a.JPG", "b.png"]
    assert found(f"{tmp_path}/*") == ["a.JPG", "b.png"]
    assert found(f"{tmp_path}/**/*.png") == ["b.png", "deep/c.png"]


def test_a_name_that_exists_is_no_pattern(tmp_path):
    (tmp_path / "a[1].png").write_bytes(b"x")
    assert images.find_images([tmp_path / "a[1].png"]) == [tmp_path / "a[1].png"]


def test_sources_that_are_not_there_are_refused(tmp_path):
    for source, message in (
        (tmp_path / "no.png", "no such source"),
        (tmp_path, "without pictures"),
        (f"{tmp_path}/*.png", "matches"),
    ):
        with pytest.raises(ValueError, match=message):
            images.find_images([source])
    with pytest.raises(ValueError, match="at least one"):
        images.find_images([])
