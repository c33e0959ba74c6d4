"""Does cost grow linearly with size, and does the forecast hold? Seconds and memory by size, whole and in tiles.

    python experiments/06_size.py [--devices] [SIZE...]      (256 512 1024 2048; some 25 minutes on two cores)

Each row is a process of its own that makes two full-size steps of the defaults (five octaves, `--schedule plain`) of a
texture of gravel; memory is that process' highest resident size, predicted is what it said before the first step.
The floor of the time is the arithmetic that Winograd's form leaves (0.2 MFLOP a pixel with the derivative and all
octaves, where direct convolutions take 0.8; half as much again in tiles, without their halos) at this machine's own
rate in float32 matrix products, measured in the same run; that of the memory what must be kept: the picture, its
gradient and the optimizer's arrays.

`--devices` instead compares one device with eight virtual ones that share these two cores: what sharing itself costs.
The current figures are in 06_size.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp

from subjective.optimize.creation import create_optimizer

HERE = Path(__file__).parent
FLOP_PER_PIXEL = 0.2e6
STEPS = 2


def matrix_rate(size: int = 2048) -> float:
    """Float32 operations a second of a matrix product."""
    matrix = jnp.ones((size, size), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    best = min(_timed(lambda: product(matrix, matrix).block_until_ready()) for _ in range(5))
    return 2 * size**3 / best


def _timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(size: int, flags: list[str], environment: dict[str, str] | None = None) -> dict[str, float | str]:
    """Make two steps in a process of its own."""
    source = str(HERE / "sources" / "gravel.jpg")
    output = os.environ.get("TMPDIR", "/tmp")
    words = ["-s", source, "-sw", "640", "-ow", str(size), "-o", "5" if size >= 512 else "4", "--schedule", "plain"]
    words += ["-m", str(STEPS), "-n", "0", "--no-evaluate", "--output-dir", output, *flags]
    command = [sys.executable, "-c", CHILD, "synthesize", *words]
    out = subprocess.run(command, capture_output=True, text=True, env=os.environ | (environment or {}), check=False)
    if out.returncode:
        return {"refused": out.stderr.strip().splitlines()[-1]}
    folder, peak = out.stdout.split()[0], float(out.stdout.split()[-1])
    trace = [json.loads(line) for line in (Path(folder) / "trace.jsonl").read_text().splitlines()]
    spent, evaluations = (trace[-1][key] - trace[0][key] for key in ("seconds", "evaluations"))
    said = re.search(r"([\d.]+) (GB|MB) of memory", out.stderr)
    predicted = float(said[1]) * (1 if said[2] == "GB" else 1e-3)
    return {
        "seconds": spent / evaluations,
        "peak": peak / 1e9,
        "predicted": predicted,
        "losses": [t["loss"] for t in trace],
    }


CHILD = """
import resource, sys
from subjective.cli.main import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(status)
"""


def row(size: int, label: str, made: dict, floor_seconds: float, floor_bytes: float) -> None:
    if "refused" in made:
        print(f"| {size} | {label} | {made['refused']} | | | | | |", flush=True)
        return
    off = made["predicted"] / made["peak"] - 1
    print(
        f"| {size} | {label} | {made['seconds']:.2f} | {made['seconds'] / size**2 * 1e6:.2f} | {floor_seconds:.2f} "
        f"| {made['peak']:.2f} | {made['predicted']:.2f} ({off:+.0%}) | {floor_bytes / 1e9:.2f} |",
        flush=True,
    )


def sizes(wanted: list[int]) -> None:
    rate = matrix_rate()
    print(f"float32 matrix products: {rate / 1e9:.0f} GFLOP/s\n")
    print("| pixels a side | how | s an evaluation | µs a pixel | floor, s | peak, GB | predicted | floor, GB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for size in wanted:
        ways = {"lbfgsb, whole": ("lbfgsb", []), "lbfgs, tiles of 128": ("lbfgs", ["--tile", "128"])}
        for label, (optimizer, flags) in ways.items():
            if size > 2048 and not flags:
                continue
            again = 1.5 if flags else 1.0
            kept = 3 * size**2 * create_optimizer(optimizer).bytes_per_number
            made = measure(size, ["--optimizer", optimizer, *flags])
            row(size, label, made, again * FLOP_PER_PIXEL * size**2 / rate, kept)


def devices() -> None:
    print("| devices | s an evaluation | losses |\n| --- | --- | --- |")
    for _ in range(2):
        for count in (1, 8):
            many = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
            made = measure(1024, ["--optimizer", "lbfgs", "--devices", str(count), "--tile", "128"], many)
            if "refused" in made:
                print(f"| {count} | {made['refused']} | |", flush=True)
            else:
                print(f"| {count} | {made['seconds']:.2f} | {made['losses']} |", flush=True)


def main() -> None:
    words = sys.argv[1:]
    if "--devices" in words:
        devices()
    else:
        sizes([int(word) for word in words] or [256, 512, 1024, 2048])


if __name__ == "__main__":
    main()
