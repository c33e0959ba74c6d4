"""`subjective weights`: what parameters are there, and what they are."""

import json

from helpers.processes import refusal

from subjective.cli.main import main


def test_weights_are_listed(capsys):
    assert main(["weights", "list"]) == 0
    assert "vgg16 " in capsys.readouterr().out


def test_weights_are_shown(capsys):
    assert main(["weights", "show", "vgg16"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["sha256"] == "786d8ba662033e24fd14d4332af3386118ded1ddca08858203e4677d224bfed5"


def test_weights_that_are_not_there_are_refused(capsys):
    assert "vgg99" in refusal(capsys, "weights", "show", "vgg99")
