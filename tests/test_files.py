"""Files are whole, and one that exists is replaced only if that is asked for."""

import os
import threading
from pathlib import Path

import pytest

from subjective.checks import FileError
from subjective.files import rename, suggest_file, write_atomically, write_bytes


def refuse_links(*paths):
    raise PermissionError(1, "this file system has no links")


@pytest.fixture(params=["links", "no links"])
def with_or_without_links(request, monkeypatch):
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse_links)


@pytest.mark.usefixtures("with_or_without_links")
def test_a_file_is_replaced_only_if_that_is_asked_for(tmp_path):
    path = tmp_path / "made.png"
    write_bytes(path, b"first", replace=False)
    with pytest.raises(FileError, match=r"cannot write '.*made\.png': File exists"):
        write_bytes(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    write_bytes(path, b"third")
    assert path.read_bytes() == b"third"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("with_or_without_links")
def test_of_several_writers_one_gets_the_name(tmp_path):
    path, refused, ready = tmp_path / "made.png", [], threading.Barrier(4)

    def write(number):
        temporary = tmp_path / f"{number}"
        temporary.write_bytes(bytes([number]))
        ready.wait()
        try:
            rename(temporary, path, replace=False)
        except FileExistsError:
            refused.append(number)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [path.read_bytes()[0]] == sorted(set(range(4)) - set(refused))


def test_a_file_whose_writing_fails_is_not_changed(tmp_path):
    path = tmp_path / "made.png"
    write_bytes(path, b"first")
    with pytest.raises(TypeError), write_atomically(path) as file:
        file.writelines([b"half", None])
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_does_not_exist_may_be_a_typing_error_or_several(here):
    for name in ("gravel.jpg", "rock.jpg"):
        (here / name).touch()
    assert suggest_file(here / "gravle.jpg") == f"did you mean {str(here / 'gravel.jpg')!r}?"
    assert suggest_file(Path("rock.jpg,gravel.jpg")) == "put spaces between several files, no commas"
    assert suggest_file(here / "unlike.tif") == suggest_file(here / "missing" / "rock.jpg") == ""
