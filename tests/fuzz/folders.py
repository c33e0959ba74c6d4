"""Damage folders: run folders, those of trainings, the queue and the requests of the studio, tiles and materials.

A folder is carried as a zip archive. A name that ends in ``/`` stands for a folder, in ``->`` for a link to what the
member holds, and in ``|`` for a pipe.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.fuzz import mutators
from tests.fuzz.mutators import Mutate, damage

HERE = b"/the/folder/of/the/case"
"""What stands for the path of the folder in the files of a bundle."""

TARGETS = ("outside.txt", "../outside.txt", "/etc/passwd", "/dev/zero", "config.json", ".", "missing")
"""Where a link leads that has come into a folder."""

NEW = (".control.json", ".live.json", ".lock", ".reserve", ".preview.jpg", "traceback.txt", "step-00001.png", "x.csv")
"""Names that a folder may have besides those of the seed."""

Files = dict[str, bytes]


def bundle(folder: Path) -> bytes:
    """Pack a folder, whose path is left out of its files."""
    own = json.dumps(str(folder))[1:-1].encode()
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes().replace(own, HERE)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return pack(files)


def pack(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
        for name, data in sorted(files.items()):
            out.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def unpack(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {info.filename: found.read(info) for info in found.infolist()}


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack a bundle beside itself, and remove the folder at the end. Nothing outside it may have changed."""
    folder, outside = path.with_name("folder"), path.with_name("outside.txt")
    outside.write_text("outside")
    own = json.dumps(str(folder))[1:-1].encode()
    try:
        folder.mkdir()
        for name, data in unpack(path.read_bytes()).items():
            place = folder / name.removesuffix("->").removesuffix("|")
            with contextlib.suppress(FileExistsError, NotADirectoryError):  # a file and a folder of one name
                place.parent.mkdir(parents=True, exist_ok=True)
                if name.endswith("/"):
                    place.mkdir(exist_ok=True)
                elif name.endswith("->"):
                    place.symlink_to(data.decode())
                elif name.endswith("|"):
                    os.mkfifo(place)
                elif not os.path.lexists(place):
                    place.write_bytes(data.replace(HERE, own))
        yield folder
        assert outside.read_text() == "outside", "a file outside the folder was changed"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        outside.unlink()


def folder_of(*kept: str, settings: bool = True) -> Mutate:
    """Return what damages the files of a folder.

    Args:
        kept: parts of names of files that are left as they are.
        settings: whether other settings may come into a ``config.json``, such as a million steps.
    """

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        data = rng.choice(seeds)
        if not zipfile.is_zipfile(io.BytesIO(data)):
            return damage(rng, data)
        files = unpack(data)
        names = [name for name in sorted(files) if not any(part in name for part in kept)]
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            name = rng.choice(names)
            if name in files and name.endswith("config.json") and not settings and rng.random() < 0.8:
                files[name] = _damage_record(rng, files[name])
            elif name in files:
                _damage_file(rng, files, name)
        return pack(files)

    return mutate


def _damage_record(rng: random.Random, data: bytes) -> bytes:
    """Damage a ``config.json``, but for the values of its settings."""
    with contextlib.suppress(ValueError):
        found = json.loads(data)
        settings = found.pop("settings")
        changed = mutators.tree(rng, found)
        return json.dumps(changed | {"settings": settings} if isinstance(changed, dict) else changed).encode()
    return data[: rng.randrange(len(data) + 1)]


def _damage_file(rng: random.Random, files: Files, name: str) -> None:
    kind = rng.randrange(14)
    data = files[name]
    if kind == 0:
        del files[name]
    elif kind == 1:
        files[name] = files[rng.choice(sorted(files))]
    elif kind == 2:
        del files[name]
        files[name + rng.choice(("/", "->", "|"))] = rng.choice(TARGETS).encode()
    elif kind == 3:
        files[name] = b""
    elif kind == 4:
        files[(Path(name).parent / rng.choice(NEW)).as_posix()] = damage(rng, files[rng.choice(sorted(files))])
    else:
        files[name] = damage_content(rng, name, data)


def damage_content(rng: random.Random, name: str, data: bytes) -> bytes:
    """Damage a file as its name suggests."""
    with contextlib.suppress(Exception):
        if name.endswith(".json") and rng.random() < 0.8:
            return mutators.json_file(rng, [data])
        if name.endswith(".jsonl") and rng.random() < 0.8:
            return lines(rng, data)
        if name.endswith(".safetensors") and rng.random() < 0.6:
            return mutators.safetensors(mutators.position)(rng, [data])
        if name.endswith(".png") and rng.random() < 0.5:
            return mutators.png(rng, [data])
        if name.endswith((".lock", ".html", ".csv")):
            return mutators.text(rng, [data])
    return damage(rng, data)


def lines(rng: random.Random, data: bytes) -> bytes:
    """Damage the lines of a trace."""
    found = data.splitlines(keepends=True)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(found))
        kind = rng.randrange(6)
        if kind == 0:
            del found[place : place + rng.randint(1, 3)]
        elif kind == 1:
            found[place:place] = [found[rng.randrange(len(found))]] * rng.choice((1, 300))
        elif kind == 2:
            found[place] = damage(rng, found[place])
        else:
            found[place] = mutators.json_file(rng, [found[place]]) + b"\n"
        found = found or [b"\n"]
    return b"".join(found)


# --- what shows run folders ------------------------------------------------------------------------------------------


def write_shown(folder: Path) -> None:
    from helpers.runs import make_run

    from subjective.runs.control import ask

    for status in ("finished", "failed", None):
        place = folder.parent / "runs"
        source = place / "source.png"
        make_run(place / "run", status=status)
        shutil.copy(place / "run" / "result.png", source)
        shutil.rmtree(place / "run")
        run = make_run(place / "run", status=status, source=source, octaves=3)
        make_run(place / "sweep-1" / "001-2", status=status)
        (place / "sweep-1" / "table.csv").write_text("a,status\n1,finished\n")
        if status is None:
            (run / ".lock").write_text("process 1 on here since 2026-01-01 00:00:00\n")
            (run / ".live.json").write_text(json.dumps({"step": 2, "share": 0.5, "loss": 1.0, "stages": [[48, 64, 3]]}))
            ask(run, "save")
        summary = run / "summary.json"
        if summary.exists():
            found = json.loads(summary.read_text())
            measure = {"name": "colors", "score": 1.5, "value": 0.1}
            found["pictures"][0]["scores"] = {"sentence": "It is close.", "measures": {"colors": measure}}
            summary.write_text(json.dumps(found))
        (folder / f"{status}").write_bytes(bundle(place))
        shutil.rmtree(place)


def read_shown(path: Path) -> None:
    """Ask for all that the page shows of the runs, and write the report."""
    from helpers.requests import TOKEN

    from subjective.runs import control
    from subjective.studio.answers import encode
    from subjective.studio.report import write_report
    from subjective.studio.runs_index import Index
    from subjective.studio.server import Studio

    with unpacked(path) as folder:
        studio = Studio(Index(folder))
        app = studio.app(TOKEN)
        strictly(encode(studio._find_changes({})))
        for name in studio.index.list_runs():
            told = _answer(app, "GET", "/api/run", f"run={name}")
            pictures = told["pictures"] if told else []
            _answer(app, "GET", "/api/curves", f"run={name}")
            _answer(app, "GET", "/config", f"run={name}")
            _answer(app, "GET", "/source", f"run={name}&number=0")
            for one in pictures[:2]:
                _answer(app, "GET", "/thumbnail", f"run={name}&name={one['name']}")
            write_report([folder / name]).encode("utf-8", "replace")
            assert control.take(folder / name).requests <= set(control.REQUESTS)


def strictly(text: str | bytes) -> Any:
    """Read JSON as browsers do, which know no NaN and no infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"browsers read no {word}")

    return json.loads(text, parse_constant=refuse)


def _answer(app: Any, method: str, path: str, query: str = "", body: bytes = b"") -> Any:
    """Make a request; a fault of the program is an error here too."""
    from helpers.requests import ask

    found = ask(app, method, path, query, body=body)
    assert found.status < 500, f"{method} {path} gives {found.status}: {found.body[:200]!r}"
    if found.status == 200 and found.headers.get(b"content-type") == b"application/json" and path.startswith("/api"):
        return strictly(found.body)
    is_line = b"\n" not in found.body.rstrip(b"\n") and len(found.body) < 3000
    assert found.status == 200 or is_line, f"no line: {found.body!r}"
    return None


# --- what the studio is asked for ------------------------------------------------------------------------------------


def write_requests(folder: Path) -> None:
    values = {"source": ["rock"], "octaves": 2, "statistic": ["gram"], "output_width": 64, "bounds": True, "seed": 1}
    asked: dict[str, tuple[str, Any]] = {
        "/api/check": ("", {"command": "synthesize", "values": values}),
        "/api/start": ("", {"command": "repair", "values": {"picture": "rock", "fill": "rock", "octaves": 2}}),
        "/api/resume": ("", {"run": "run"}),
        "/api/queue": ("", {"number": 1, "action": "remove"}),
        "/api/control": ("", {"run": "run", "request": "stop"}),
        "/api/tags": ("", {"run": "run", "tags": ["good", "rock"]}),
        "/api/delete": ("", {"run": "run"}),
        "/api/restore": ("", {"kept": "1"}),
        "/api/curves": ("run=run&picture=0", None),
        "/part": ("run=run&name=result.png&left=0&top=0&width=9&height=9", None),
        "/file": ("run=run&name=result.png&v=1", None),
        "/thumbnail": ("run=run&name=result.png&side=64", None),
        "/picture": ("path=rock", None),
    }
    for number, (path, (query, body)) in enumerate(asked.items()):
        request = {"method": "GET" if body is None else "POST", "path": path, "query": query, "body": body}
        (folder / f"{number:02d}").write_text(json.dumps(request))


def read_request(path: Path) -> None:
    """Make a request. Nothing is started."""
    from helpers.requests import TOKEN
    from helpers.runs import make_run

    from subjective.cli.forms import CommandForms
    from subjective.studio.desk import Desk, Shelf
    from subjective.studio.queue import Queue
    from subjective.studio.runs_index import Index
    from subjective.studio.server import Studio

    with unpacked_request(path) as (folder, request):
        run = make_run(folder / "run")
        desk = Desk(Index(folder), CommandForms(), Shelf({"rock": run / "result.png"}))
        desk.queue.start_worker = lambda: None  # type: ignore[method-assign]
        desk.queue.add(["example", "rock"])
        app = Studio(desk._index, desk).app(TOKEN)
        method, address, query = (str(request.get(name, "")) for name in ("method", "path", "query"))
        rock = json.dumps(str(run / "result.png"))
        body = json.dumps(request.get("body")).replace('"rock"', rock).encode()
        asked = query.replace("rock", str(run / "result.png")).encode("utf-8", "replace").decode()
        _answer(app, method, address.encode("utf-8", "replace").decode(), asked, body)
        assert isinstance(Queue(folder / ".studio" / "queue").list_entries(), list)


@contextlib.contextmanager
def unpacked_request(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read a request, and make a folder in which it is asked."""
    from subjective.checks import InputError

    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InputError("no request") from None
    if not isinstance(found, dict) or found.get("path") == "/api/forecast":  # this one starts a process
        raise InputError("no request")
    folder = path.with_name("folder")
    folder.mkdir()
    try:
        yield folder, found
    finally:
        shutil.rmtree(folder)


def write_queues(folder: Path) -> None:
    from subjective.studio.queue import Queue

    place = folder.parent / "made"
    queue = Queue(place)
    for words in (["synthesize", "-s", "rock.jpg"], ["resume", "run"], ["train", "-s", "a b.png"]):
        queue.add(words)
    queue.change(2, status="finished", ended=1.5, run=str(place / "run"), reason="")
    queue.change(3, status="running", process=2**22 + 1, stop=True)
    (place / "run").mkdir()
    (place / "run" / "config.json").write_text('{"command": "synthesize", "settings": {}}')
    (place / "run" / "summary.json").write_text('{"status": "failed", "reason": "no room"}')
    queue.said_path(3).write_text("subjective: step 1\rsubjective: step 2\n")
    queue.made_path(3).write_text(f"{place / 'run'}\n")
    (folder / "queue").write_bytes(bundle(place))
    shutil.rmtree(place)


def read_queue(path: Path) -> None:
    """Show a queue, and empty it. In place of Python, a program is started that does nothing."""
    import sys

    from subjective.cli.forms import CommandForms
    from subjective.studio import worker
    from subjective.studio.answers import encode
    from subjective.studio.desk import Desk, Shelf
    from subjective.studio.runs_index import Index

    with unpacked(path) as folder:
        desk = Desk(Index(folder), CommandForms(), Shelf({}))
        desk.queue.folder = folder
        strictly(encode(desk.tell()))
        python, look = sys.executable, worker.LOOK
        sys.executable, worker.LOOK = "/bin/true", 0.001
        try:
            worker.main([str(folder)])
        finally:
            sys.executable, worker.LOOK = python, look
        assert not [one for one in desk.tell() if one["status"] in ("waiting", "running")], "something still waits"
        for entry in desk.queue.list_entries():
            desk.queue.remove(entry["number"])


# --- tiles and materials ---------------------------------------------------------------------------------------------


def write_tile_sets(folder: Path) -> None:
    import numpy as np

    from subjective.planes.corners import TileSet
    from subjective.planes.tile_files import SHEET_FILE, TILES_FILE, save_tiles

    tiles = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 3), np.uint8)
    place = folder.parent / "made"
    save_tiles(TileSet(tiles, 2, 2), place)
    files = unpack(bundle(place))
    (folder / "tiles").write_bytes(pack({name: files[name] for name in (SHEET_FILE, TILES_FILE)}))
    shutil.rmtree(place)


def read_tile_set(path: Path) -> None:
    from subjective.planes.tile_files import lay

    with unpacked(path) as folder:
        window = lay(folder, (20, 30), at=(-5, 7))
        assert window.shape == (20, 30, 3)
        assert 0 <= window.min() <= window.max() <= 1


def write_materials(folder: Path) -> None:
    import numpy as np

    from subjective.encoding import encode_pixels

    rng = np.random.default_rng(0)
    files: Files = {}
    depths = {"albedo.png": "8", "normal.png": "16", "roughness.tif": "16", "height.exr": "half", "ao.jpg": "8"}
    for name, depth in depths.items():
        channels = 3 if name.startswith(("albedo", "normal")) else 1
        values = rng.random((9, 11, channels), np.float32)
        files[f"rock_{name}"] = encode_pixels(values, Path(name).suffix, depth)  # type: ignore[arg-type]
    (folder / "material").write_bytes(pack(files))
    packed = {name: data for name, data in files.items() if "ao" not in name and "rough" not in name}
    packed["rock_orm.tif"] = encode_pixels(rng.random((9, 11, 3), np.float32), ".tif", "8")
    (folder / "packed").write_bytes(pack(packed))


def read_material(path: Path) -> None:
    import numpy as np

    from subjective.materials.files import find_maps, read_files

    with unpacked(path) as folder:
        maps, files = read_files(find_maps([str(folder)]))
        assert "albedo" in maps
        assert files
        for kind, planes in maps.items():
            assert planes.ndim == 3, kind
            assert np.isfinite(planes).all(), kind
            assert -1e-6 <= planes.min() <= planes.max() <= 1 + 1e-6, kind


# --- what resume reads -----------------------------------------------------------------------------------------------

INPUTS = ("one.png", "two.png")


def write_stopped(name: str) -> Any:
    """Return what writes the folders of runs that were killed, and of one that is finished."""

    def write(folder: Path) -> None:
        from tests.faults.campaign import Case
        from tests.faults.injector import KILL, Injector

        case = Case(name, folder.parent / "made").learn()
        sound = _pixels(next(case.folder.glob("outputs/*")))
        for kind, share in (("begun", 0.5), ("made", 0.8), ("over", None)):
            case._prepare()
            with Injector(case.folder, None if share is None else int(share * len(case.calls)), KILL):
                case._main(case.words)
            files = unpack(bundle(case.folder))
            marked = {one: _digest(data) for one, data in files.items() if _decides(one)}
            files["sound.json"] = json.dumps({"files": marked, "made": sound}).encode()
            (folder / kind).write_bytes(pack(files))
        shutil.rmtree(case.folder)

    return write


def _decides(name: str) -> bool:
    """Return whether a file decides what is made."""
    return name.endswith(("config.json", ".safetensors")) or name in INPUTS or "/checkpoints/" in name


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _pixels(run: Path) -> str:
    """Return a digest of what a run has made."""
    import numpy as np
    from PIL import Image

    with contextlib.suppress(FileNotFoundError), Image.open(run / "result.png") as picture:
        return _digest(np.asarray(picture).tobytes())
    return _digest((run / "network.safetensors").read_bytes())


def read_stopped(path: Path) -> None:
    """Resume a run: it makes what it makes without damage, or says in one line why it cannot."""
    from contextlib import redirect_stderr, redirect_stdout

    from subjective.checks import InputError
    from subjective.cli.main import main

    with unpacked(path) as folder:
        marks = json.loads((folder / "sound.json").read_text())
        found = {
            one.relative_to(folder).as_posix(): _digest(one.read_bytes().replace(str(folder).encode(), HERE))
            for one in folder.rglob("*")
            if one.is_file() and not one.is_symlink()
        }
        decides = {name for name in found if _decides(name)}
        sound = all(found[name] == marks["files"].get(name) for name in decides)
        sound &= all(name in found for name in marks["files"] if name in INPUTS)
        run = next(iter(sorted(folder.glob("outputs/*"))), folder)
        err, here = io.StringIO(), os.getcwd()
        os.chdir(folder)
        try:
            with redirect_stderr(err), redirect_stdout(io.StringIO()):
                status = main(["resume", str(run), "-q"])
        finally:
            os.chdir(here)
        said = err.getvalue()
        assert "Traceback" not in said, said[-300:]
        assert not (run / "traceback.txt").is_file() or "traceback.txt" not in said, said[-300:]
        assert status in (0, 2), f"exit status {status}: {said[-300:]}"
        lasting = [line for line in said.splitlines() if line and not line.startswith("subjective: ")]
        assert not lasting, f"more than lines of this program: {lasting[:3]}"
        if status == 2:
            raise InputError(said.splitlines()[0][:2000])
        assert json.loads((run / "summary.json").read_text())["status"] == "finished"
        strays = [one.name for one in run.glob(".*") if one.is_file() and not one.is_symlink()]
        assert not strays, f"left {strays}"
        if sound:
            assert _pixels(run) == marks["made"], "another picture"
