"""What a picture tells of the run that made it."""

import json
import os

import pytest

from subjective.runs.provenance import changed_environment, describe_environment, describe_run, publish, usable_cores


def test_a_picture_tells_names_and_hashes_but_no_path_and_no_time(tmp_path):
    record = {
        "command": "synthesize",
        "command_line": f"subjective synthesize -s {tmp_path}/rock.png",
        "started": "2026-11-27T00:00:00+00:00",
        "settings": {"source": [f"{tmp_path}/rock.png"], "init": f"{tmp_path}/start.png", "octaves": 3, "force": True},
        "pictures": [{"use": "source", "name": "rock.png", "path": f"{tmp_path}/rock.png", "sha256": "abc"}],
        "weights": {"use": f"{tmp_path}/vgg.safetensors", "sha256": "def"},
    }
    assert publish(record) == {
        "command": "synthesize",
        "settings": {"source": ["rock.png"], "init": "start.png", "octaves": 3},
        "pictures": [{"use": "source", "name": "rock.png", "sha256": "abc"}],
        "weights": {"use": "vgg.safetensors", "sha256": "def"},
    }
    assert str(tmp_path) in json.dumps(record), "the record of the run folder keeps its paths"


def test_what_changes_the_last_digits_is_named():
    record = json.loads(json.dumps(describe_run("synthesize", {})))
    assert changed_environment(record) == []
    record["environment"] |= {"python": "3.5", "usable cores": 77, "cores": 99}
    record["environment"]["libraries"] |= {"jax": "0.1", "imageio": "0.1"}
    jax, cores = describe_environment()["libraries"]["jax"], usable_cores()
    assert changed_environment(record) == [f"jax '0.1' (now {jax!r})", f"usable cores 77 (now {cores})"]


@pytest.mark.parametrize("environment", [None, [], {}, {"libraries": None}, {"libraries": "jax"}])
def test_a_record_that_says_nothing_has_not_changed(environment):
    assert changed_environment({"environment": environment}) == []


def test_cores_that_the_process_may_not_use_do_not_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    assert usable_cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()
