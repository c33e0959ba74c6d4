"""What the verbs refuse before they compute: settings of another verb, and what does not belong together."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import smooth_noise

import subjective
from subjective import AnimationConfig, MaterialConfig, SynthesisConfig, TransferConfig, preset
from subjective.arguments import check_map
from subjective.checks import InputError
from subjective.cli.commands.pictures import SynthesizeCommand
from subjective.network.weights import normalize
from subjective.synthesis.inputs import read_config


@pytest.mark.parametrize("kind", [TransferConfig, AnimationConfig, MaterialConfig])
def test_the_settings_of_another_verb_are_refused_although_they_hold_all_that_is_asked_for(small_params, kind):
    with pytest.raises(InputError, match=f"config is an object of {kind.__name__}; wanted subjective.SynthesisConfig"):
        subjective.synthesize(smooth_noise(), kind(), params=small_params)


def test_settings_of_the_command_line_and_of_a_class_of_ones_own_are_settings_of_their_verb():
    class Mine(SynthesisConfig):
        pass

    for config in (Mine(), SynthesizeCommand(source=("a.png",))):
        assert read_config(config, SynthesisConfig) is config


def test_settings_for_raw_parameters_refuse_normalized_ones(small_params):
    scales = {name: np.full(layer["bias"].shape, 0.5) for name, layer in small_params.items() if name != "input"}
    normalized = normalize(small_params, scales)
    paper = preset("paper", output_width=32, octaves=1, max_iter=1, layers=("pool1",))
    with pytest.raises(InputError, match=r"give params=load_params\(raw=True\)"):
        subjective.synthesize(smooth_noise(), paper, params=normalized)
    [result] = subjective.synthesize(smooth_noise(), paper, params=small_params)
    assert result.steps == 1


def test_a_start_of_transfers_is_refused_elsewhere():
    with pytest.raises(InputError, match="init noise is for a transfer; wanted random"):
        SynthesisConfig(init="noise")
    assert TransferConfig(init="noise").init == "noise"


def test_layers_are_taken_by_number_too():
    config = SynthesisConfig()
    object.__setattr__(config, "layers", (2, np.int64(7)))  # the tests' own checks of types refuse it in the call
    config.__post_init__()
    assert config.layers == ("2", "7")


@pytest.mark.parametrize(("flag", "name"), [("width", "output_width"), ("oh", "output_height"), ("rng_seed", "seed")])
def test_the_name_of_a_flag_is_a_guess_at_the_setting(flag, name):
    with pytest.raises(InputError, match=rf"no setting '{flag}'; did you mean {name}\?"):
        SynthesisConfig(**{flag: 3})


def test_a_loss_without_parts_is_refused_by_minimize():
    with pytest.raises(InputError, match=r"fn returns the loss alone; wanted \(loss, parts\)"):
        subjective.minimize(lambda x: jnp.sum(x**2), jnp.ones((2, 2, 3)), max_steps=2)


def test_targets_of_another_analysis_are_refused(small_params):
    [gram] = [subjective.parse_term("gram@pool1")]
    picture = jnp.asarray(smooth_noise(0, (32, 32)))
    one, two = (subjective.Analysis(octaves, (gram,), "circular") for octaves in ((0,), (0, 1)))
    targets = subjective.analyze(small_params, picture, two)
    with pytest.raises(InputError, match="targets are of other octaves, layers or statistics"):
        subjective.texture_loss(one)(picture, targets, small_params)


def test_a_picture_in_bytes_is_not_taken_for_floats():
    picture = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(InputError, match=r"dtype uint8; wanted floats .*: subjective.as_image makes them"):
        check_map("image", picture, 3)


def test_a_layer_that_the_network_does_not_have_is_no_matched_layer(small_params):
    with pytest.raises(InputError, match="conv1"):
        subjective.evaluate(smooth_noise(0, (64, 64)), smooth_noise(1, (128, 128)), small_params, matched=["conv1"])
