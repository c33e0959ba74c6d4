"""`subjective novelty`: pictures from no source."""

import json

import pytest
from helpers.processes import made


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--internal", "-o", "2"]])
def test_novelty_makes_pictures_from_nothing(here, capsys, flags):
    folder = made(capsys, "novelty", "-ow", "32", "-o", "2", "-m", "3", *flags)
    assert len(list(folder.glob("result*.png"))) == (1 if flags else 4)
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert trace[-1]["loss"] < trace[0]["loss"]
