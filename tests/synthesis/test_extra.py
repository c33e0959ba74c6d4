"""Losses of the caller's own."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import halves, smooth_noise

from subjective.checks import InputError
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.loop import animate
from subjective.synthesis.novelty import invent
from subjective.synthesis.texture import synthesize
from subjective.synthesis.transfer import transfer

SMALL = {"output_width": 24, "octaves": 2, "layers": ("pool1",), "statistic": ("gram",), "max_iter": 3}


def darkness(picture):
    """Small if the picture is dark."""
    return jnp.mean(picture**2)


def run_verb(verb, params, **given):
    source = smooth_noise()
    if verb is animate:
        return animate(source, AnimationConfig(**SMALL, count=3), params=params, **given)
    if verb is transfer:
        config = TransferConfig(**SMALL, colors="luminance", content_layers=("conv1_1",), margin=4)
        return transfer(source, source, config, params=params, **given)
    if verb is invent:
        return invent(NoveltyConfig(**SMALL, count=2), params=params, **given)
    return synthesize(source, SynthesisConfig(**SMALL, first_stage=1, init="random"), params=params, **given)


@pytest.mark.slow
@pytest.mark.parametrize("verb", [synthesize, animate, transfer, invent])
def test_an_extra_loss_is_a_part_of_every_step_and_changes_the_picture(small_params, verb):
    told, shapes = [], set()

    def redness(picture):
        shapes.add(picture.shape)
        return jnp.mean((picture[:, :, 0] - 1) ** 2)

    plain = run_verb(verb, small_params)
    weight = 1e10 if verb is invent else 100.0  # the losses of pictures from nothing are large
    red = run_verb(verb, small_params, extra=[(weight, redness)], on_step=lambda _, step: told.append(step))
    assert all("redness" in step.parts for step in told)
    assert told[-1].parts["redness"] < told[0].parts["redness"]
    if verb is not transfer:  # which puts the content's colors back
        assert red[0].picture[..., 0].mean() > plain[0].picture[..., 0].mean() + 0.002
    assert {len(shape) for shape in shapes} == {3}
    sizes = {step.value.shape[-3:] for step in told}
    assert shapes == sizes


def test_the_parts_add_up_to_the_loss(small_params):
    told = []
    config = SynthesisConfig(**SMALL, init="random")
    extra = [(2.0, darkness), (0.5, darkness), (1, lambda picture: jnp.max(picture))]
    synthesize(smooth_noise(), config, params=small_params, extra=extra, on_step=lambda _, step: told.append(step))
    step = told[-1]
    assert set(step.parts) == {"texture", "darkness", "darkness 2", "lambda"}
    assert step.parts["darkness"] == pytest.approx(4 * step.parts["darkness 2"], rel=1e-5)
    assert step.parts["darkness"] == pytest.approx(2 * float(jnp.mean(step.value**2)), rel=1e-4)
    texture = sum(part for octave in step.parts["texture"] for layer in octave.values() for part in layer.values())
    own = sum(step.parts[name] for name in ("darkness", "darkness 2", "lambda"))
    assert step.loss == pytest.approx(texture + own, rel=1e-4)


def test_a_loss_of_a_picture_with_regions_sees_the_whole_picture(small_params):
    shapes = set()

    def look(picture):
        shapes.add(picture.shape)
        return jnp.mean(picture)

    config = SynthesisConfig(**SMALL | {"max_iter": 1}, first_stage=1)
    sources, masks = [smooth_noise(0), smooth_noise(1)], halves(24, 24)
    synthesize(sources, config, params=small_params, masks=masks, extra=[(1.0, look)])
    assert shapes == {(12, 12, 3), (24, 24, 3)}


def test_a_loss_is_traced_once_for_each_stage(small_params):
    traced = []

    def look(picture):
        traced.append(picture.shape)
        return jnp.mean(picture)

    config = SynthesisConfig(**SMALL, count=3, init="random")
    synthesize(smooth_noise(), config, params=small_params, extra=[(1.0, look)])
    assert len(traced) == len(set(traced))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([(np.nan, darkness)], "extra holds the weight nan; wanted a finite number"),
        ([(1.0, lambda picture: picture)], "extra loss 'lambda' returned float32 of shape (24, 24, 3)"),
    ],
)
def test_what_is_no_loss_is_refused(small_params, extra, message):
    config = SynthesisConfig(**SMALL | {"max_iter": 0}, schedule="plain")
    with pytest.raises(InputError) as caught:
        synthesize(smooth_noise(), config, params=small_params, extra=extra)
    assert message in str(caught.value)
