"""What the programs for GPUs and TPUs contain, as far as a CPU can tell: they are lowered here, and not run."""

import dataclasses
import re
from functools import lru_cache, partial

import jax
import jax.export
import jax.numpy as jnp
import pytest

from subjective.losses import texture_loss
from subjective.optimize.protocol import value_and_gradient
from subjective.statistics.analysis import analyze
from subjective.statistics.terms import Analysis, parse_term
from subjective.synthesis.config import SynthesisConfig


@pytest.fixture(scope="module")
def lowered(small_params):
    """Give the text of the loss and gradient of the default statistics, for a platform and a precision."""
    return lru_cache(partial(lower, small_params))


def lower(params, platform, precision):
    terms = tuple(parse_term(text, ("pool1", "conv2_1"), (1.0, 1.0)) for text in SynthesisConfig().statistic)
    whole = Analysis((0, 1), terms, "circular", precision=precision)
    analysis = dataclasses.replace(whole, blocks=(3, 2))
    image, params = jnp.full((64, 64, 3), 0.5), jax.tree.map(jnp.asarray, params)
    targets = jax.eval_shape(lambda image, params: analyze(params, image, whole), image, params)
    function = value_and_gradient(texture_loss(analysis))
    return jax.export.export(function, platforms=[platform])(image, targets, params).mlir_module()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("precision", ["float32", "tensorfloat32", "bfloat16"])
def test_programs_for_gpus_hold_no_wide_numbers_and_leave_the_device_never(platform, precision, lowered):
    text = lowered(platform, precision)
    assert "stablehlo.convolution" in text
    assert "f64>" not in text
    assert "callback" not in text
    assert "stablehlo.scatter" not in text  # JAX issue 38806: scatters in gradients took up to 2000 times as long


@pytest.mark.parametrize(("precision", "asked"), [("float32", "HIGHEST"), ("tensorfloat32", "HIGH")])
def test_convolutions_multiply_in_the_precision_that_is_asked_for(precision, asked, lowered):
    text = lowered("cuda", precision)
    found = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    wide = [line for line in found if re.search(r"x(16|8|64|32)x", line)]
    assert wide
    assert all(set(re.findall(r"precision (\w+)", line)) == {asked} for line in wide)


@pytest.mark.parametrize(
    ("kind", "optimizer", "precision"),
    [("cpu", "lbfgsb", "float32"), ("gpu", "lbfgs", "tensorfloat32"), ("tpu", "lbfgs", "float32")],
)
def test_the_device_decides_what_the_settings_leave_open(kind, optimizer, precision, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: kind)
    left_open, bounded = SynthesisConfig(), SynthesisConfig(bounds=True)
    assert (left_open.optimizer_name, left_open.map_precision) == (optimizer, precision)
    assert bounded.optimizer_name == "lbfgsb"
    named = SynthesisConfig(optimizer="adam", precision="bfloat16")
    assert (named.optimizer_name, named.map_precision) == ("adam", "bfloat16")


def test_making_a_config_starts_no_device(monkeypatch):
    def start():
        raise AssertionError("a device was started")

    monkeypatch.setattr(jax, "default_backend", start)
    for settings in ({}, {"bounds": True}, {"optimizer": "lbfgs", "history_type": "bfloat16"}):
        assert SynthesisConfig(**settings).octaves is None
