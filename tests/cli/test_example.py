"""`subjective example`: pictures that come with the package."""

from pathlib import Path

import pytest
from helpers.pictures import SOURCES
from helpers.processes import refusal

from subjective.cli.main import main


@pytest.mark.usefixtures("here")
def test_pictures_are_copied_and_their_paths_printed(capsys):
    assert main(["example", "rock", "coffee", "--folder", "pictures"]) == 0
    assert capsys.readouterr().out == "pictures/rock.jpg\npictures/coffee.jpg\n"
    assert Path("pictures/rock.jpg").read_bytes() == (SOURCES / "rock.jpg").read_bytes()
    assert Path("pictures/coffee.jpg").stat().st_size > 10_000


@pytest.mark.usefixtures("here")
def test_without_a_name_the_pictures_are_listed_and_all_copies_them_all(capsys):
    assert main(["example"]) == 0
    names = capsys.readouterr().out.split()
    assert {"rock", "gravel", "mosaic"} < set(names)
    assert not list(Path.cwd().iterdir())
    assert main(["example", "all"]) == 0
    assert capsys.readouterr().out.split() == [f"{name}.jpg" for name in names]


@pytest.mark.usefixtures("here")
def test_a_copy_may_be_made_again_but_another_picture_is_never_replaced(capsys):
    assert main(["example", "rock"]) == main(["example", "rock"]) == 0
    capsys.readouterr()
    Path("gravel.jpg").write_bytes(b"mine")
    assert "'gravel.jpg' is there already and is another picture" in refusal(capsys, "example", "gravel")
    assert Path("gravel.jpg").read_bytes() == b"mine"


@pytest.mark.usefixtures("here")
def test_a_wrong_name_gets_a_guess(capsys):
    assert "did you mean gravel?" in refusal(capsys, "example", "gravell")
    assert "wanted astronaut, " in refusal(capsys, "example", "xyz")
