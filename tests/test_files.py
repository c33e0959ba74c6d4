"""Files are whole, and one that exists is replaced only if that is asked for."""

import os
import threading
from pathlib import Path

import pytest

from subjective.checks import FileError, InputError
from subjective.files import (
    find_shared,
    locked,
    open_plainly,
    read_plainly,
    rename,
    suggest_file,
    sweep,
    write_atomically,
    write_bytes,
)


def refuse_links(*paths):
    raise PermissionError(1, "this file system has no links")


def in_threads(write, count=4):
    """Call ``write(0)``, ``write(1)`` and so on, each in a thread, and wait for all."""
    writers = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


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

    in_threads(write)
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


def test_many_threads_write_one_file(tmp_path):
    """Each writes the whole file under a temporary name of its own."""
    path, failed = tmp_path / "made.png", []

    def write(number):
        try:
            for _ in range(20):
                write_bytes(path, bytes([number]) * 1000)
        except Exception as error:
            failed.append(error)

    in_threads(write)
    assert not failed
    assert len(set(path.read_bytes())) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_swept_and_what_is_still_written_is_not(tmp_path):
    for stray in (".made.png.1-0.tmp", ".other.png.1-0.tmp"):
        (tmp_path / stray).write_bytes(b"half")
    (tmp_path / ".made.png.notes").touch()
    with write_atomically(tmp_path / "made.png") as file:
        file.write(b"all")
        sweep(tmp_path, "made.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made.png.notes", ".other.png.1-0.tmp", "made.png"]
    assert (tmp_path / "made.png").read_bytes() == b"all"
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made.png.notes", "made.png"]


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe", "folder"])
@pytest.mark.parametrize("mode", ["rb", "ab", "ab+"])
def test_only_plain_files_are_opened(kind, mode, tmp_path):
    path, other = tmp_path / "trace.jsonl", tmp_path / "mine"
    other.write_bytes(b"mine")
    if kind == "link":
        path.symlink_to(other)
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "second name":
        os.link(other, path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    if (kind, mode) == ("second name", "rb"):  # reading it harms nobody
        assert read_plainly(path) == b"mine"
        return
    with pytest.raises(InputError, match="is a link or a special file; wanted a plain file"):
        open_plainly(path, mode)
    assert other.read_bytes() == b"mine"
    assert not (tmp_path / "nothing").exists()


def test_a_link_is_replaced_and_what_it_names_is_kept(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "made").symlink_to(tmp_path / "mine")
    write_bytes(tmp_path / "made", b"made")
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert (tmp_path / "made").read_bytes() == b"made"


def test_a_file_is_known_by_each_of_its_names(here):
    Path("in.png").touch()
    Path("link.png").symlink_to("in.png")
    os.link("in.png", "name.png")
    for output in ("in.png", "./in.png", here / "in.png", "link.png", "name.png"):
        assert find_shared([Path("new.png"), Path(output)], [Path("in.png")]) == Path(output)
    assert find_shared([Path("new.png"), Path("here/../new.png")], []) == Path("here/../new.png")
    assert find_shared([Path("new.png")], [Path("in.png"), Path("link.png")]) is None


def test_a_file_that_many_change_loses_nothing(tmp_path):
    path = tmp_path / "sums"
    path.write_bytes(b"")

    def add(number):
        with locked(path):
            write_bytes(path, path.read_bytes() + bytes([number]))

    writers = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(path.read_bytes()) == list(range(8))
    assert list(tmp_path.iterdir()) == [path]
    with locked(path), pytest.raises(InputError, match="another process still changes"), locked(path, 0):
        pass
