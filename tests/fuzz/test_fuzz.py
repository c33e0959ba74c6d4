"""Damaged files are refused in one line or read rightly, soon and in little memory, and leave nothing behind.

Some dozen cases for each parser; ``python -m tests.fuzz`` runs as many as one likes, see docs/reliability.md. The files
in ``broke`` each broke a promise once.
"""

import random
from pathlib import Path

import pytest

from tests.fuzz.campaign import attack
from tests.fuzz.parsers import PARSERS
from tests.fuzz.worker import attempt

pytestmark = [pytest.mark.process, pytest.mark.slow]

CASES = {
    "video": 8, "network": 20, "run folder, shown": 20, "run folder, resumed": 0, "training, resumed": 0,
    "requests of the studio": 40, "queue of the studio": 20,
}  # fmt: skip
"""Fewer cases where each takes long, none where it takes a second and more; of all other parsers 50."""

FORGIVING = ("run folder, shown", "requests of the studio", "queue of the studio")
"""What shows a damaged folder as far as it is sound, and answers a refusal."""

BROKE = sorted((Path(__file__).parent / "broke").iterdir())


@pytest.mark.parametrize("light", [True, False])
def test_parsers_keep_their_promises_on_damaged_files(light):
    jobs = {name: range(CASES.get(name, 50)) for name, parser in PARSERS.items() if parser.light == light}
    jobs = {name: cases for name, cases in jobs.items() if cases}
    for name, found in attack(jobs).items():
        assert not found.broken, f"{name}: {found.broken}"
        assert found.cases == len(jobs[name])
        if name not in FORGIVING:
            assert found.outcomes["refused"] > found.cases / 5, f"{name} hardly damages anything"


@pytest.mark.parametrize("path", BROKE, ids=lambda path: path.stem)
def test_a_file_that_broke_a_promise_once_does_not_again(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = PARSERS[path.stem.rsplit("-", 2)[0].replace("-", " ")]
    copy = tmp_path / f"file{parser.suffix}"
    copy.write_bytes(path.read_bytes())
    assert attempt(parser.read, copy)["outcome"] in ("read", "refused", "crashed")
    assert list(tmp_path.iterdir()) == [copy]


@pytest.mark.parametrize("name", [name for name in PARSERS if CASES.get(name, 50)])
def test_sound_files_are_read(name, tmp_path, monkeypatch):
    """Otherwise nothing would be tested but that all files are refused."""
    parser = PARSERS[name]
    parser.write(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        sound = path.rename(path.with_name(f"{path.stem}-sound{parser.suffix}"))
        found = attempt(parser.read, sound)
        assert found["outcome"] == ("refused" if path.stem in ("list", "playlist", "over") else "read"), found


def test_the_damage_of_a_case_is_always_the_same(tmp_path):
    for parser in PARSERS.values():
        seeds = [b"\x89PNG\r\n\x1a\n" + bytes(50), b'{"a": [1, 2]}', b"gram@conv1_1=2"]
        once, again = (parser.mutate(random.Random("x 0 1"), seeds) for _ in range(2))
        assert once == again
