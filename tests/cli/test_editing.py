"""The commands that make a part of a picture and keep the rest, from files to files."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import smooth_noise
from helpers.processes import made, refusal
from PIL import Image, ImageCms

from subjective.cli.inputs import read_kept_profile
from subjective.cli.main import main
from subjective.deep import read_pixels
from subjective.images import read_profile, write_image

SMALL = ["--octaves", "1", "-l", "pool1", "--statistic", "gram", "-m", "3", "-n", "0", "--enough", "0"]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FROM_NOISE = [*SMALL, "--seed", "random"]  # where the start means nothing


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.fixture
def files(here):
    """A picture, a mask of its middle, and the picture with a transparent middle; both with a color profile."""
    write_image("rock.png", smooth_noise(size=(72, 80)), icc=PROFILE)
    mask = np.zeros((72, 80), np.uint8)
    mask[16:56, 20:60] = 255
    Image.fromarray(mask).save("mask.png")
    alpha = np.concatenate([pixels("rock.png"), 255 - mask[..., None]], axis=2)
    Image.fromarray(alpha).save("holed.png", icc_profile=PROFILE)
    return mask > 0


@pytest.mark.slow
def test_repair_keeps_the_bytes_of_its_file_and_scores_what_it_fills(files, capsys):
    folder = made(capsys, "repair", "rock.png", "--fill", "mask.png", *SMALL)
    result, before = pixels(folder / "result.png"), pixels("rock.png")
    np.testing.assert_array_equal(result[~files], before[~files])
    assert (result[files] != before[files]).any()
    assert read_profile(folder / "result.png") == PROFILE
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["pictures"][0]["scores"]["made"]["measures"]["gram"]["score"] > 0


@pytest.mark.slow
def test_a_transparent_middle_is_filled_and_written_where_out_says(files, capsys):
    folder = made(capsys, "repair", "holed.png", *FROM_NOISE, "--no-evaluate", "--feather", "2")
    again = ["repair", "--config", str(folder / "config.json"), "--out", "made.tif"]
    assert main(again) == 0
    result = pixels("made.tif")
    np.testing.assert_array_equal(result, pixels(folder / "result.png"))
    assert result.shape == (72, 80, 3)
    assert read_profile(Path("made.tif")) == PROFILE
    np.testing.assert_array_equal(result[~files], pixels("rock.png")[~files])
    capsys.readouterr()
    assert "'made.tif' is there already" in refusal(capsys, "repair", "holed.png", *SMALL, "--out", "made.tif")


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_tileable_says_the_seams_before_and_after(capsys):
    assert main(["tileable", "rock.png", "--axis", "x", "--border", "20%", *SMALL, "--no-evaluate"]) == 0
    out, err = capsys.readouterr()
    assert "seam between left and right: score" in err
    assert "between top and bottom" not in err
    [folder] = Path("outputs").iterdir()
    seams = json.loads((folder / "summary.json").read_text())["pictures"][0]["scores"]["seam_columns"]
    assert seams["after"]["value"] < seams["before"]["value"]
    np.testing.assert_array_equal(pixels(folder / "result.png")[:, 16:-16], pixels("rock.png")[:, 16:-16])
    assert out


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_expand_makes_a_larger_picture_around_the_old_one_and_keeps_its_16_bits(capsys):
    write_image("deep.png", smooth_noise(size=(72, 80)), depth="16")
    folder = made(capsys, "expand", "deep.png", "--size", "92x72", "--at", "12,0", *FROM_NOISE, "--no-evaluate")
    before, result = (read_pixels(Path(file)) for file in ("deep.png", folder / "result.png"))
    assert before.depth == result.depth == "16"
    assert result.values.shape == (72, 92, 3)
    np.testing.assert_array_equal(result.values[:, 12:], before.values)
    assert "cannot have the depth 16" in refusal(capsys, "expand", "deep.png", "--left", "9", "-o", "wide.bmp")


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_enlarge_keeps_the_picture_and_shows_its_variants_on_a_sheet(capsys):
    Image.open("rock.png").crop((10, 10, 50, 46)).save("part.png")
    words = ["enlarge", "part.png", "--source", "rock.png", "--seeds", "2", *SMALL]
    folder = made(capsys, *words, "--no-evaluate")
    before = np.float64(pixels("part.png"))
    for name in ("result-000.png", "result-001.png"):
        result = pixels(folder / name)
        assert result.shape == (72, 80, 3)
        clipped = (result == 0).any(axis=2) | (result == 255).any(axis=2)
        whole = ~clipped.reshape(36, 2, 40, 2).any(axis=(1, 3))
        means = result.reshape(36, 2, 40, 2, 3).mean(axis=(1, 3), dtype=np.float64)
        assert np.abs(means - before)[whole].max() <= 0.5
    kept = json.loads((folder / "summary.json").read_text())["pictures"][1]["scores"]["kept"]
    assert kept["rms"] < 1 / 255
    sheet = pixels(folder / "sheet.png")
    assert sheet.shape[1] > 2 * 240, "the picture, its source, and two results"
    assert json.loads((folder / "config.json").read_text())["settings"]["count"] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["enlarge", "holed.png"], "'holed.png' has pixels that are not opaque; fill them first"),
        (["enlarge", "rock.png", "--scale", "3"], "--scale"),
        (["enlarge", "rock.png", "--seeds", "3", "--count", "2"], "--seeds is 3 and --count 2; give one of them"),
        (["repair", "rock.png"], "nothing to make: all pixels are kept"),
        (["repair", "none.png"], "no such picture: 'none.png'"),
        (["repair", "rock.png", "--fill", "none.png"], "no such mask: 'none.png'"),
        (["repair", "rock.png", "--fill", "mask.png", "--keep", "mask.png"], "--fill and --keep both say"),
        (["repair", "rock.png", "--fill", "small.png"], "--fill is of 20x20 pixels; wanted 80x72"),
        (["repair", "rock.png", "--fill", "mask.png", "--out", "made.jpg"], "wanted a name that ends in .png"),
        (["repair", "rock.png", "--fill", "mask.png", "--out", "rock.png"], "is read or written by this very command"),
        (["repair", "rock.png", "--fill", "mask.png", "--out", "mask.png"], "is read or written by this very command"),
        (["repair", "rock.png", "--fill", "mask.png", "--width", "99"], "the size of the result follows"),
        (["tileable", "rock.png", "--border", "50%"], "--border is '50%', 36 of 72 pixels"),
        (["tileable", "rock.png", "--mask", "mask.png"], "--mask"),
        (["expand", "rock.png"], "nothing is added; give --left, --right, --top, --bottom or --size"),
        (["expand", "rock.png", "--size", "40x40"], "wanted a place that holds the picture of 80x72 and more"),
        (["expand", "rock.png", "--left", "-3"], "--left is -3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("files")
def test_what_cannot_be_edited_is_refused_in_one_line(capsys, words, says):
    write_image("small.png", smooth_noise(size=(20, 20)))
    assert says in refusal(capsys, *words)


@pytest.mark.usefixtures("files")
def test_a_picture_in_cmyk_is_refused(capsys):
    Image.open("rock.png").convert("CMYK").save("rock.tif")
    assert main(["repair", "rock.tif", "--fill", "mask.png"]) == 2
    assert "whose colors cannot be kept as they are; convert it to RGB" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_profile_that_the_result_cannot_have_is_left_out_with_a_note(capsys):
    write_image("rock.png", smooth_noise(size=(72, 80)), icc=PROFILE)
    assert read_kept_profile(Path("rock.png"), "made.bmp") == PROFILE
    assert "'made.bmp' gets no color profile" in capsys.readouterr().err
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    write_image("lab.png", smooth_noise(size=(72, 80)), icc=lab)
    assert read_kept_profile(Path("lab.png"), None) is None
    assert "the color profile of 'lab.png' is not one of RGB" in capsys.readouterr().err
    write_image("none.png", smooth_noise(size=(72, 80)))
    assert read_kept_profile(Path("none.png"), "made.bmp") is None
    assert capsys.readouterr().err == ""
