"""A picture with regions: each has the texture of its own source."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import SOURCES, halves, noise
from helpers.processes import PLAIN

from subjective.cli.main import main
from subjective.images import read_image, write_image
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.texture import prepare, synthesize

LAYERS = ("conv1_1", "pool1", "conv2_1")


@pytest.mark.slow
def test_before_the_last_octave_each_region_is_a_picture_of_its_source(small_params):
    sources, masks = [noise(72, 72, 3), noise(64, 80, 3, seed=1) ** 2], halves(48, 48)
    config = SynthesisConfig(output_width=48, octaves=2, layers=LAYERS, max_iter=2, init="random")
    job = prepare(sources, config, small_params, masks)
    coarse, full = job.stages
    assert (job.shape(coarse), job.shape(full)) == ((2, 24, 24, 3), (48, 48, 3))
    pictures = jnp.asarray(noise(2, 24, 24, 3, seed=2))
    loss, arguments = job.problem(coarse)
    alone = []
    for picture, source in zip(pictures, sources, strict=True):
        its = prepare([source], config, small_params)
        its_loss, its_arguments = its.problem(its.stages[0])
        alone.append(float(jax.jit(its_loss)(picture, its_arguments)[0]))
    assert float(jax.jit(loss)(pictures, arguments)[0]) == pytest.approx(np.mean(alone), rel=1e-5)
    together = job.render(pictures, coarse)
    np.testing.assert_allclose(together[:, 3:8], pictures[0, :, 3:8], atol=1e-6)
    np.testing.assert_allclose(together[:, -8:-3], pictures[1, :, -8:-3], atol=1e-6)
    assert job.render(together, full) is together


@pytest.mark.slow
def test_each_region_gets_its_own_texture(small_params):
    """In tiles, which measure regions as the whole picture does (`test_regions.py`)."""
    sources = [read_image(SOURCES / f"{name}.jpg", width=128) for name in ("grass", "sand")]
    config = SynthesisConfig(
        output_width=64, octaves=2, layers=LAYERS, max_iter=15, tile=16, statistic=("gram", "spectrum@rgb=0.1")
    )
    (result,) = synthesize(sources, config, params=small_params, masks=halves(64, 64))
    found = np.asarray(result.value)
    left, right = (found[:, part].mean(axis=(0, 1)) for part in (slice(0, 24), slice(40, 64)))
    for color, (own, other) in zip((left, right), (sources, sources[::-1]), strict=True):
        near, far = (np.linalg.norm(color - source.mean(axis=(0, 1))) for source in (own, other))
        assert near < far / 2
    assert result.loss < result.begun / 5


def test_what_cannot_be_taken_of_a_region_is_refused(small_params):
    for name in ("sliced", "shifted", "autocorrelation@rgb"):
        config = SynthesisConfig(output_width=64, octaves=1, layers=LAYERS, statistic=("gram", name))
        with pytest.raises(ValueError, match=f"{name.split('@')[0]} cannot be taken of a part"):
            synthesize([noise(80, 80, 3)], config, params=small_params, masks=np.ones((64, 64, 1)))


def test_masks_of_another_size_are_refused(small_params):
    config = SynthesisConfig(output_width=64, octaves=1, layers=LAYERS)
    with pytest.raises(ValueError, match=r"masks are of shape \(64, 60, 1\); wanted \(64, 64, 1\)"):
        synthesize([noise(80, 80, 3)], config, params=small_params, masks=np.ones((64, 60, 1)))


@pytest.mark.slow
def test_the_program_takes_masks_of_any_size(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("left.png", np.repeat(halves(30, 30)[:, :, :1], 3, axis=2))
    sources = [str(SOURCES / f"{name}.jpg") for name in ("grass", "sand")]
    flags = ["-s", *sources, "-sw", "128", "-ow", "64", "-o", "2", "-l", "conv1_1", "pool1", "-m", "3", *PLAIN]
    assert main(["synthesize", *flags, "--blend-map", "left.png"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    made = read_image(folder / "result.png")
    assert np.abs(made[:, :24].mean(axis=(0, 1)) - made[:, 40:].mean(axis=(0, 1))).max() > 0.1
    assert main(["synthesize", "--config", str(folder / "config.json")]) == 0
    again = Path(capsys.readouterr().out.strip())
    np.testing.assert_array_equal(read_image(again / "result.png"), made)


def test_the_program_refuses_masks_that_are_not_there_and_two_ways_to_share_a_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("left.png", np.repeat(halves(30, 30)[:, :, :1], 3, axis=2))
    flags = ["-s", *(str(SOURCES / f"{name}.jpg") for name in ("grass", "sand"))]
    assert main(["synthesize", *flags, "--blend-map", "left.png", "--source-weights", "1", "2"]) == 2
    assert "--source-weights and --blend-map both say" in capsys.readouterr().err
    assert main(["synthesize", *flags, "--blend-map", "nothing.png"]) == 2
    assert capsys.readouterr().err.startswith("subjective: no such mask: 'nothing.png'; give a picture")
    assert main(["synthesize", *flags, "--blend-map", *["left.png"] * 3]) == 2
    assert "--blend-map got 3 pictures for 2 sources" in capsys.readouterr().err
    assert not list(tmp_path.glob("outputs/*"))
