"""What the verbs return, and what they return when they are stopped."""

import base64

import imageio.v3 as iio
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import smooth_noise
from PIL import Image

from subjective.checks import InputError
from subjective.images import write_image
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.loop import animate
from subjective.synthesis.novelty import invent
from subjective.synthesis.result import PictureResult, Stop
from subjective.synthesis.texture import synthesize
from subjective.synthesis.transfer import transfer

SMALL = {"output_width": 16, "octaves": 1, "layers": ("pool1",), "statistic": ("gram",), "max_iter": 3}
ALL_STEPS = {"enough": 0.0}


def stop_at(number, error):
    """An ``on_step`` that raises an error after so many steps of all pictures."""
    told = []

    def on_step(picture, step):
        told.append((picture, step))
        if len(told) == number:
            raise error

    return on_step, told


@pytest.mark.slow
def test_every_verb_returns_a_list_of_pictures_or_loops(small_params):
    source = smooth_noise()
    given = {"params": small_params}
    made = [
        synthesize(source, SynthesisConfig(**SMALL, count=2), **given),
        animate(source, AnimationConfig(**SMALL, count=3), **given),
        transfer(source, source, TransferConfig(**SMALL, content_layers=("conv1_1",)), **given),
        invent(NoveltyConfig(**SMALL | {"output_width": 20}, count=2), **given),
    ]
    assert [[result.picture.shape for result in results] for results in made] == [
        [(16, 16, 3)] * 2,
        [(3, 16, 16, 3)],
        [(80, 72, 3)],
        [(20, 20, 3)] * 2,
    ]


def test_progress_is_shown_on_request(small_params, capsys):
    config = SynthesisConfig(**SMALL, **ALL_STEPS)
    synthesize(smooth_noise(), config, params=small_params)
    assert capsys.readouterr().err == ""
    synthesize(smooth_noise(), config, params=small_params, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("16x16, step 3/3  loss ")
    assert lines[-1].endswith("100% of the run, 0 s left")


def test_a_picture_given_as_path_or_pil_or_integers_makes_the_same_bytes(small_params, here):
    write_image("source.png", smooth_noise())
    opened = Image.open("source.png")
    floats = np.asarray(opened, np.float32) / 255
    config = SynthesisConfig(**SMALL)
    made = [
        np.asarray(synthesize(source, config, params=small_params)[0]).tobytes()
        for source in ("source.png", opened, np.asarray(opened), floats, [floats], floats[None])
    ]
    assert len(set(made)) == 1


def test_a_start_is_resized_as_on_the_command_line(small_params):
    config = SynthesisConfig(**SMALL | {"max_iter": 0})
    flat = np.full((7, 31, 3), 0.25, np.float32)
    [result] = synthesize(smooth_noise(), config, params=small_params, init=flat)
    assert np.abs(result.picture - 0.25).max() < 6 * config.noise


@pytest.fixture
def results():
    """A picture and a loop, with values beyond black and white."""
    value = 1.5 * smooth_noise(0, (20, 24)) - 0.2
    told = {
        "loss": 1.0,
        "parts": {},
        "steps": 2,
        "evaluations": 3,
        "seconds": 0.1,
        "converged": True,
        "message": "done",
    }
    return PictureResult(jnp.asarray(value), **told), PictureResult(jnp.stack([value, 1 - value]), **told)


def test_a_result_is_a_clipped_picture_wherever_a_picture_is_wanted(results, here):
    picture, loop = results
    assert picture.value.min() < 0 < 1 < picture.value.max()
    for result in results:
        assert result.picture.dtype == np.float32
        assert (result.picture.min(), result.picture.max()) == (0, 1)
        np.testing.assert_array_equal(np.asarray(result), result.picture)
        assert np.asarray(result, np.float64).dtype == np.float64
    write_image("written.png", picture)
    picture.save("saved.png")
    assert (here / "written.png").read_bytes() == (here / "saved.png").read_bytes()
    loop.save("loop.gif", fps=5)
    assert iio.imread("loop.gif").shape == (2, 20, 24, 3)


def test_a_name_of_no_format_is_refused(results, here):
    picture, loop = results
    with pytest.raises(InputError, match=r"cannot write 'a\.mp4'; wanted a name that ends in \.png"):
        picture.save("a.mp4")
    with pytest.raises(InputError, match=r"cannot write 'a\.png'; wanted a name ending in \.gif"):
        loop.save("a.png")
    with pytest.raises(InputError, match=r"fps is 0; wanted a number above 0"):
        loop.save("a.gif", fps=0)


def test_a_notebook_shows_the_picture_and_plays_the_loop(results):
    for result, kind, shape in zip(results, ("image/png", "image/gif"), ((20, 24, 3), (2, 20, 24, 3)), strict=True):
        bundle = result._repr_mimebundle_()
        assert iio.imread(base64.b64decode(bundle[kind])).shape == shape
        assert bundle["text/plain"].startswith("PictureResult(loss=1.0, steps=2")


@pytest.mark.parametrize(
    ("error", "message"), [(Stop(), "stopped by on_step"), (KeyboardInterrupt(), "stopped by Ctrl-C")]
)
def test_a_run_that_is_stopped_returns_what_there_is(small_params, error, message):
    on_step, told = stop_at(6, error)  # of steps 0 to 3 of the first picture, and 0 and 1 of the second
    config = SynthesisConfig(**SMALL | ALL_STEPS, count=3)
    first, second = synthesize(smooth_noise(), config, params=small_params, on_step=on_step)
    assert first.message == "all 3 steps were made"
    assert (second.message, second.steps, second.converged) == (message, 1, False)
    for result, (_, step) in zip((first, second), (told[3], told[5]), strict=True):
        np.testing.assert_array_equal(result.value, step.value)
        assert (result.loss, result.parts) == (step.loss, step.parts)


def test_pictures_that_are_made_together_are_returned_apart_when_stopped(small_params):
    on_step, told = stop_at(2, Stop())
    config = NoveltyConfig(**SMALL | {"output_width": 20}, count=2)
    made = invent(config, params=small_params, on_step=on_step)
    np.testing.assert_array_equal([result.value for result in made], told[1][1].value)


def test_an_error_of_the_callers_own_is_passed_on_with_what_there_is(small_params):
    on_step, told = stop_at(3, ZeroDivisionError("mine"))
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        synthesize(smooth_noise(), SynthesisConfig(**SMALL | ALL_STEPS), params=small_params, on_step=on_step)
    [result] = caught.value.results
    np.testing.assert_array_equal(result.value, told[2][1].value)
    assert result.message == "stopped by ZeroDivisionError"
