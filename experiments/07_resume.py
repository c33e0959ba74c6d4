"""Is a run that is killed, again and again, the run that was not? Twenty kills at random moments, for each optimizer.

    python experiments/07_resume.py [KILLS] [OPTIMIZER...]      (20, all three; some fifteen minutes on two cores)

One run is left alone. Another, of the same settings, is killed (`kill -9`) at a random moment and gone on with by
`subjective resume`, as often as asked for, then to its end. Pictures, traces and figures must be equal to the bit.
The current figures are in 07_resume.md.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import subjective

HERE = Path(__file__).parent
SETTINGS = ["-sw", "160", "-ow", "128", "-o", "3", "-m", "400", "--coarse-iter", "150", "--tol", "0"]
SETTINGS += ["-n", "0", "--no-evaluate", "--checkpoint-every", "1"]


def started(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "subjective", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(optimizer: str, kills: int, folder: Path) -> None:
    source = str(HERE / "sources" / "gravel.jpg")
    words = ["synthesize", "-s", source, *SETTINGS, "--optimizer", optimizer, "--output-dir", str(folder)]
    alone = started(*words, "-op", f"{optimizer}-whole")
    whole = Path(alone.communicate()[0].strip())
    assert alone.returncode == 0

    process = started(*words, "-op", f"{optimizer}-killed")
    killed, steps, made = Path(process.stdout.readline().strip()), [], 0
    for kill in range(kills):
        # One in four at any moment, starting and compiling among them; the others while it makes steps.
        if kill % 4:
            lines, trace = _lines(killed), _lines(killed)
            while process.poll() is None and trace == lines:
                time.sleep(0.02)
                trace = _lines(killed)
        time.sleep(random.uniform(0, 3 if kill % 4 else 14))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        made += 1
        trace = (killed / "trace.jsonl").read_text().splitlines()
        steps.append(len(trace))
        process = started("resume", str(killed))
    process.communicate()
    assert process.returncode == 0
    pictures = [subjective.read_image(each / "result.png") for each in (whole, killed)]
    lines = [(each / "trace.jsonl").read_text().splitlines() for each in (whole, killed)]
    traces = [[json.loads(line) | {"seconds": 0} for line in each] for each in lines]
    same = np.array_equal(*pictures), traces[0] == traces[1]
    print(f"| {optimizer} | {made} | {steps} | {len(traces[0])} | {same[0]} | {same[1]} |", flush=True)


def _lines(folder: Path) -> int:
    """Steps that are told in a run's trace."""
    return (folder / "trace.jsonl").read_bytes().count(b"\n")


def main() -> None:
    words = sys.argv[1:]
    kills = int(words.pop(0)) if words and words[0].isdecimal() else 20
    print("| optimizer | kills | after so many steps | steps in all | same picture | same trace |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for optimizer in words or ["lbfgsb", "lbfgs", "adam"]:
            run(optimizer, kills, Path(folder))


if __name__ == "__main__":
    main()
