"""Run folders as runs leave them, made without a run."""

import hashlib
import json
import os
import socket

import numpy as np

from subjective.images import write_image


def trace_line(step):
    parts = {"texture": [{"pool1": {"gram": 0.5 / (step + 1)}}, {"pool1": {"gram": 0.5 / (step + 1)}}]}
    return {
        "picture": 0,
        "size": [48, 64],
        "step": step,
        "loss": 1 / (step + 1),
        "parts": parts,
        "gradient_norm": 1.0,
        "evaluations": step + 1,
        "seconds": step / 10,
    }


def make_run(folder, *, status="finished", reason=None, steps=3, source=None, **settings):
    """Make the folder of a run; with ``status`` None, of one that has not said how it ended."""
    folder.mkdir(parents=True)
    config = {
        "version": 1,
        "command": "synthesize",
        "command_line": "subjective synthesize -s rock.jpg",
        "started": "2026-01-01T00:00:00+00:00",
        "settings": {"output_width": 64, "source_width": None, "source_scale": None, **settings},
        "pictures": [],
    }
    if source is not None:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        config["pictures"] = [{"use": "source", "name": source.name, "path": str(source), "sha256": digest}]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "trace.jsonl").write_text("".join(json.dumps(trace_line(step)) + "\n" for step in range(steps)))
    write_image(folder / "result.png", np.random.default_rng(steps).random((48, 64, 3), np.float32))
    if status is not None:
        made = {"files": ["result.png"], "loss": 1 / steps, "steps": steps, "message": "all steps were made"}
        summary = {"version": 1, "status": status, "reason": reason, "seconds": 3.0, "pictures": [made]}
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def go_on(folder, **live):
    """Let a run seem to go on: this process holds its lock, and `live` is what the run says of itself."""
    (folder / ".lock").write_text(f"process {os.getpid()} on {socket.gethostname()} since 2026-01-01 00:00:00\n")
    (folder / ".live.json").write_text(json.dumps({"phase": "making steps", "step": 2, "share": 0.5, **live}))
    return folder
