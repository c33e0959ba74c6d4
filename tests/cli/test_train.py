"""`subjective train`: what is refused before anything is begun, and what --like stands for."""

import sys

import pytest
from helpers.feedforward import write_network, write_photographs
from helpers.pictures import ROCK
from helpers.processes import refusal

from subjective.cli.arguments import parse
from subjective.cli.commands.networks import TrainCommand

QUICK = ["-sw", "48", "--size", "16", "--batch", "2", "--width", "2", "--depth", "1", "--octaves", "1", "-l", "conv1_1"]
TEXTURE = ["train", "--texture", "-s", ROCK, *QUICK, "--statistic", "gram"]
STYLE = ["train", "-s", ROCK, *QUICK, "--content-layer", "conv1_1"]


@pytest.fixture(autouse=True)
def nothing_is_begun_that_cannot_be_done(here):
    yield
    assert not list(here.glob("outputs/*"))


@pytest.fixture
def photographs(here):
    return write_photographs(here)


def test_photographs_or_a_texture_are_asked_for(here, capsys, photographs):
    (here / "empty").mkdir()
    assert "is a folder without pictures" in refusal(capsys, *STYLE, "--content", "empty")
    assert "--content is missing" in refusal(capsys, *STYLE)
    assert "--texture and --content were both given" in refusal(capsys, *TEXTURE, "--content", photographs)


def test_photographs_none_of_which_can_be_read_are_refused(capsys, photographs):
    for file in photographs.glob("*.png"):
        file.write_bytes(b"")
    assert "none of the photographs can be read" in refusal(capsys, *STYLE, "--content", photographs)


@pytest.mark.usefixtures("bound_by_modes")
def test_a_folder_that_cannot_be_read_is_refused(here, capsys):
    folder = here / "closed"
    folder.mkdir(mode=0)
    assert "Permission denied" in refusal(capsys, *STYLE, "--content", folder)


@pytest.mark.slow
def test_settings_that_do_not_fit_are_refused_by_their_flags(capsys):
    assert "wanted a name that ends in .safetensors" in refusal(capsys, *TEXTURE, "-o", "net")
    assert "source 1 of 48x38 pixels is too small for 5 octaves" in refusal(capsys, *TEXTURE, "--octaves", "5")
    assert "--devices is 64" in refusal(capsys, *TEXTURE, "--devices", "64", "--batch", "64")
    assert "--batch is 3; wanted a multiple of --devices 2" in refusal(capsys, *TEXTURE, "--devices", "2", "--batch=3")
    message = refusal(capsys, *TEXTURE, "-l", "conv5_1")
    assert "no layer 'conv5_1'" in message
    assert "weights fetch" in message


def test_a_network_of_another_kind_is_no_start(capsys):
    other = write_network("other.safetensors")
    assert "wanted Architecture" in refusal(capsys, *TEXTURE, "--init", other)


@pytest.mark.parametrize("package", ["grain", "orbax.checkpoint"])
def test_a_missing_package_is_named_with_what_to_install(capsys, monkeypatch, photographs, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'subjective[train]'" in refusal(capsys, *STYLE, "--content", photographs)


def test_like_matlab_sets_what_other_flags_then_change():
    words = ["--content", "photographs", "-s", "style.png", "--like", "matlab", "--size", "64"]
    config = parse(TrainCommand, "train", words)
    assert (config.size, config.batch, config.epochs, config.learning_rate, config.decay) == (64, 4, 2, 1e-3, False)
    assert config.layers == ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
    assert (config.style_weight, config.content_weight, config.content_layer) == (3e-8, 1e-4, "conv3_3")
    assert (config.raw_weights, config.relative, config.octaves, config.pooling) == (True, False, 1, "max")
