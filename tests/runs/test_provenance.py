"""What a picture tells of the run that made it."""

import json

from subjective.runs.provenance import publish


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
