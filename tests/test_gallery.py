"""docs/gallery.md is what experiments/21_forty.py makes of its record, and its pictures score what is recorded."""

import importlib.util
import json
import sys

import pytest
from helpers.pictures import ROOT


@pytest.fixture(scope="module")
def forty():
    """The script as a module; it imports what lies beside it."""
    folder = ROOT / "experiments"
    spec = importlib.util.spec_from_file_location("forty", folder / "21_forty.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setitem(sys.modules, "forty", module)  # where its dataclass looks for its own annotations
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def record(forty):
    return json.loads(forty.RECORD.read_text())


def test_the_page_is_made_from_the_record(forty, record):
    assert len(forty.ENTRIES) == 40
    assert list(record) == list(forty.ENTRIES)
    assert forty.PAGE.read_text(encoding="utf-8") == forty.page(record)


def test_there_are_just_the_pictures_of_the_page(forty):
    assert {file.stem for file in forty.FOLDER.glob("*.webp")} == set(forty.ENTRIES)


@pytest.mark.pages
@pytest.mark.parametrize("name", ["gravel", "tiles", "beside", "plane_grass"])
def test_a_picture_scores_what_is_recorded(forty, record, name):
    assert forty.scores_of(forty.ENTRIES[name]) == pytest.approx(record[name]["scores"], rel=0.05)
