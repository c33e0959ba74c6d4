"""How fast and how exact is a GPU in each precision, and how fast against PyTorch?

    python experiments/18_gpu.py                      (all parts; some ten minutes on an H100, most of them compiling)
    python experiments/18_gpu.py speed runs --sizes 512 1024
    python experiments/18_gpu.py --small              (every part at a small size, on any device; a minute)

Rows of PyTorch need PyTorch beside the package (`pip install -e '.[bench]'`) and a GPU; otherwise they are left out.
Each program runs in a process of its own. The programs warm up one after another, because a compiler that looks for the
fastest convolution times each one; then they take turns. The tables are printed at the end, and each row also goes to
stderr as soon as it is known.

- card: the rate of a matrix product in each precision, and the bandwidth of a copy;
- speed: one loss and gradient, as in 01_speed.py (Gram matrices of pool1 and conv3_2, four octaves);
- error: the gradient in each precision, against float64 on the CPU;
- runs: textures with the defaults, by each optimizer and precision, with scores;
- tiles: one loss and gradient of a large picture, in tiles.

On a GPU, 11_feedforward_speed.py compares a training step of the networks. The current figures are in 18_gpu.md.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

speed_against_torch = importlib.import_module("01_speed")  # a name that no import statement can hold
LAYERS, noise = speed_against_torch.LAYERS, speed_against_torch.noise
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
FLOPS_A_PIXEL = 2 * 2 * 4 / 3 * (1728 + 36864 + (73728 + 147456) / 4 + (294912 + 589824) / 16)
"""Of a loss and gradient: convolutions up to conv3_2, forward and backward, two operations a product, all octaves."""

Timed = Callable[[int], float]
"""Does so many evaluations, waits for them, and returns the seconds that one took."""


def analysis_of(precision: str, tile: int | None = None) -> Any:
    import subjective

    grams = subjective.parse_term("gram@" + ",".join(LAYERS))
    return subjective.Analysis((0, 1, 2, 3), (grams,), "circular", precision=precision, tile=tile)


# The programs: each returns a function that is timed, and what it found


def ours(size: int, precision: str, tile: int | None = None) -> tuple[Timed, Callable[[], dict[str, float]]]:
    import jax
    import jax.numpy as jnp

    import subjective

    params, analysis = subjective.load_params(), analysis_of(precision, tile)
    targets = jax.jit(subjective.analyze, static_argnums=2)(params, jnp.asarray(noise(min(size, 1024), 1)), analysis)
    value_and_gradient = subjective.value_and_gradient(subjective.texture_loss(analysis))
    params = jax.tree.map(jnp.asarray, params)
    image = jnp.asarray(noise(size, 0))

    def timed(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            found = value_and_gradient(image, targets, params)
        jax.block_until_ready(found)
        return (time.perf_counter() - began) / count

    def told() -> dict[str, float]:
        (loss, _), gradient = value_and_gradient(image, targets, params)
        # Not the allocator's peak: the compiler tries convolutions that need many gigabytes.
        memory = value_and_gradient.lower(image, targets, params).compile().memory_analysis()
        temporary = memory.temp_size_in_bytes if memory else float("nan")
        return {"loss": float(loss), "gradient": float(jnp.linalg.norm(gradient)), "gib": temporary / 2**30}

    return timed, told


def pytorch(size: int, precision: str) -> tuple[Timed, Callable[[], dict[str, float]]]:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True
    maps = torch.bfloat16 if precision == "bfloat16" else torch.float32
    analyze = speed_against_torch.torch_analysis(size, "circular", device, maps)

    def tensor(seed: int) -> Any:
        return torch.tensor(noise(size, seed), device=device).permute(2, 0, 1)[None]

    with torch.no_grad():
        targets = analyze(tensor(1))

    @torch.compile(disable=device == "cpu")
    def loss_of(image: Any) -> Any:
        return sum(((a - b) ** 2).sum() for a, b in zip(analyze(image), targets, strict=True))

    image = tensor(0).requires_grad_()

    def evaluate() -> Any:
        image.grad = None
        loss = loss_of(image)
        loss.backward()
        return loss

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def timed(count: int) -> float:
        wait()
        began = time.perf_counter()
        for _ in range(count):
            evaluate()
        wait()
        return (time.perf_counter() - began) / count

    def told() -> dict[str, float]:
        loss = evaluate().detach()
        torch.cuda.empty_cache()  # what it took to try convolutions
        peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
        return {"loss": float(loss), "gradient": float(image.grad.norm()), "gib": peak}

    return timed, told


def work(program: str, size: int, precision: str, tile: int | None) -> None:
    """Worker: at the first line read, warm up; at each further line, do so many evaluations. Answer in JSON."""
    import jax  # noqa: F401 - importing takes seconds, and all workers import at the same time

    import subjective  # noqa: F401

    sys.stdin.readline()
    timed, told = ours(size, precision, tile) if program == "ours" else pytorch(size, precision)
    first = timed(1)
    timed(2)
    print(json.dumps({"first": first, **told()}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": timed(int(line))}), flush=True)


class Worker:
    """A program in a process of its own."""

    def __init__(self, program: str, size: int, precision: str, tile: int | None = None):
        self.label = f"{size} | {program} {precision}"
        self.program, self.size, self.precision = program, size, precision
        extra = ["--tile", str(tile)] if tile else []
        command = [sys.executable, __file__, "--work", program, "--size", str(size), "--in", precision, *extra]
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": ""}  # the first call is to be timed with its compiling
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, text: str) -> dict[str, float]:
        """Write a line and read the answer; an empty answer means that the program failed."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{text}\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


# The parts


def card(small: bool) -> list[str]:
    import jax
    import jax.numpy as jnp

    side, length = (512, 2**20) if small else (8192, 2**30)
    device = jax.devices()[0]
    lines = [f"{device.device_kind}, JAX {jax.__version__}", "", "| | rate |", "| --- | --- |"]

    def best(function: Callable[..., Any], *arguments: Any) -> float:
        compiled = jax.jit(function)
        jax.block_until_ready(compiled(*arguments))
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(5):
                found = compiled(*arguments)
            jax.block_until_ready(found)
            seconds.append((time.perf_counter() - began) / 5)
        return statistics.median(seconds)

    for precision in PRECISIONS:
        kind = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
        a, b = (jax.random.normal(jax.random.key(seed), (side, side), kind) for seed in range(2))
        asked = "highest" if precision == "float32" else "high"
        seconds = best(lambda a, b, asked=asked: jnp.matmul(a, b, precision=asked), a, b)
        RATES[precision] = 2 * side**3 / seconds
        lines.append(f"| matrix product of {side} in {precision} | {RATES[precision] / 1e12:.1f} Tflop/s |")
    x = jax.random.normal(jax.random.key(0), (length,), jnp.float32)
    seconds = best(lambda x: x + 1, x)
    lines.append(
        f"| copy of {length * 4 / 2**30:.1f} GiB, read and written | {2 * 4 * length / seconds / 1e9:.0f} GB/s |"
    )
    return lines


RATES: dict[str, float] = {}
"""Rate of a matrix product by precision, from the part `card`."""


def speed(small: bool) -> list[str]:
    lines = ["| px | program | first call, s | ms | megapixel-iterations/s | of the rate | GiB |", "| --- " * 7 + "|"]
    programs = [("ours", precision) for precision in PROGRAMS]
    if has_torch() and on_gpu():
        programs += [("pytorch", precision) for precision in PROGRAMS if precision != "float32" and max(SIZES) <= 2048]
    for size in (64,) if small else SIZES:
        workers = [Worker(program, size, precision) for program, precision in programs]
        with ThreadPoolExecutor() as pool:  # PyTorch's compiler works on the host for most of a minute
            theirs = [pool.submit(worker.ask, "warm up") for worker in workers if worker.program == "pytorch"]
            wait(theirs)
            found = [worker.ask("warm up") for worker in workers if worker.program == "ours"]
        found += [answer.result() for answer in theirs]
        count = 2 if small else max(3, 30 * 512 * 512 // size**2)
        turns = [[worker.ask(str(count)).get("seconds", np.nan) for worker in workers] for _ in range(5)]
        for worker, what, times in zip(workers, found, zip(*turns, strict=True), strict=True):
            worker.close()
            seconds = statistics.median(times)
            rate = FLOPS_A_PIXEL * size * size / seconds / RATES.get(worker.precision, np.nan)
            lines.append(
                f"| {worker.label} | {what.get('first', np.nan):.1f} | {1000 * seconds:.2f} "
                f"({1000 * min(times):.2f} to {1000 * max(times):.2f}) | {size * size / seconds / 1e6:.1f} "
                f"| {rate:.0%} | {what.get('gib', np.nan):.2f} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def error(small: bool) -> list[str]:
    size = 64 if small else 512
    with tempfile.TemporaryDirectory() as folder:
        exact = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
        cases = {"float64": exact, **{precision: {} for precision in PRECISIONS}}
        for name, more in cases.items():
            precision = "float32" if name == "float64" else name
            command = [sys.executable, __file__, "--gradient", precision, "--size", str(size)]
            subprocess.run([*command, "--save", f"{folder}/{name}.npy"], check=True, env=os.environ | more)
        wanted, *found = (np.load(f"{folder}/{name}.npy") for name in cases)
    lines = ["| px | precision | gradient off by |", "| --- " * 3 + "|"]
    for precision, gradient in zip(PRECISIONS, found, strict=True):
        share = np.linalg.norm(gradient - wanted) / np.linalg.norm(wanted)
        lines.append(f"| {size} | {precision} | {share:.1e} |")
    return lines


def save_gradient(size: int, precision: str, file: str) -> None:
    import jax
    import jax.numpy as jnp

    import subjective

    wide = jnp.float64 if jax.config.jax_enable_x64 else jnp.float32
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, wide), subjective.load_params())
    analysis = analysis_of(precision)
    targets = jax.jit(subjective.analyze, static_argnums=2)(params, jnp.asarray(noise(size, 1), wide), analysis)
    loss = subjective.value_and_gradient(subjective.texture_loss(analysis))
    _, gradient = loss(jnp.asarray(noise(size, 0), wide), targets, params)
    np.save(file, np.asarray(gradient, np.float64))


SEEN = ("fidelity", "long_range", "grain", "gram")


def runs(small: bool) -> list[str]:
    import jax
    from studio import source

    import subjective

    head = "| px | optimizer | precision | s, first time | s, again | until the first step | steps | ms a step | loss "
    lines = [f"{head}| {' | '.join(SEEN)} |", "| --- " * (9 + len(SEEN)) + "|"]
    image, params = source("gravel"), subjective.load_params()
    for size in (96,) if small else RUN_SIZES:
        for optimizer, precision in (how.split("/") for how in RUNS):
            short: dict[str, Any] = {"max_iter": 4, "octaves": 2} if small else {}
            size_of = {"output_width": size, "output_height": size}
            config = subjective.SynthesisConfig(**size_of, optimizer=optimizer, precision=precision, **short)
            seconds, marks = [], []
            for _ in range(2):
                marks, began = [], time.perf_counter()
                [result] = subjective.synthesize(
                    [image],
                    config,
                    params=params,
                    on_step=lambda *_, marks=marks, began=began: marks.append(time.perf_counter() - began),
                )
                jax.block_until_ready(result.value)
                seconds.append(time.perf_counter() - began)
            gap = 1000 * float(np.median(np.diff(marks)[-40:]))
            scores = subjective.evaluate(result.picture, [image], params, portilla_simoncelli=False) if SCORED else {}
            lines.append(
                f"| {size} | {optimizer} | {precision} | {seconds[0]:.1f} | {seconds[1]:.1f} | {marks[0]:.1f} "
                f"| {len(marks)} | {gap:.1f} | {result.loss:.5f} | "
                f"{' | '.join(f'{scores[key].score:.2f}' if key in scores else '' for key in SEEN)} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def tiles(small: bool) -> list[str]:
    size, tile = (128, 64) if small else (8192, TILE[0])
    lines = ["| px | program | rows in a tile | first call, s | s | GiB |", "| --- " * 6 + "|"]
    for precision in PROGRAMS:
        worker = Worker("ours", size, precision, tile)
        found = worker.ask("warm up")
        seconds = min(worker.ask("1").get("seconds", np.nan) for _ in range(2))
        worker.close()
        first, gib = found.get("first", np.nan), found.get("gib", np.nan)
        lines.append(f"| {worker.label} | {tile} | {first:.1f} | {seconds:.2f} | {gib:.1f} |")
    return lines


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def on_gpu() -> bool:
    import jax

    return jax.default_backend() == "gpu"


PARTS: dict[str, Callable[[bool], list[str]]] = {
    "card": card,
    "speed": speed,
    "error": error,
    "runs": runs,
    "tiles": tiles,
}
SIZES = [512, 1024, 2048]
PROGRAMS = list(PRECISIONS)
RUN_SIZES = [512, 1024]
TILE = [1024]
SCORED = True
RUNS = ["lbfgs/tensorfloat32", "lbfgs/float32", "lbfgsb/tensorfloat32"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), help="parts, in any order")
    parser.add_argument("--small", action="store_true", help="every part at a small size")
    parser.add_argument("--sizes", type=int, nargs="*", help="sizes of the part speed")
    parser.add_argument("--precisions", nargs="*", help="precisions of the parts speed and tiles")
    parser.add_argument("--run-sizes", type=int, nargs="*", help="sizes of the part runs")
    parser.add_argument("--runs", nargs="*", help="how the part runs works: optimizer/precision")
    parser.add_argument("--no-scores", action="store_true", help="the part runs measures no picture")
    parser.add_argument("--tile-rows", type=int, help="rows in a tile of the part tiles")
    for hidden, kind in (("work", str), ("gradient", str), ("save", str), ("size", int), ("in", str), ("tile", int)):
        parser.add_argument(f"--{hidden}", type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    precision = getattr(arguments, "in")
    if arguments.work:
        work(arguments.work, arguments.size, precision, arguments.tile)
        return
    if arguments.gradient:
        save_gradient(arguments.size, arguments.gradient, arguments.save)
        return
    # Each process takes memory as it needs it. The convolutions that the compiler tries would otherwise take all of it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.4")
    SIZES[:] = arguments.sizes or SIZES
    PROGRAMS[:] = arguments.precisions or PROGRAMS
    RUN_SIZES[:] = arguments.run_sizes or RUN_SIZES
    RUNS[:] = arguments.runs or RUNS
    global SCORED
    SCORED = not arguments.no_scores
    TILE[:] = [arguments.tile_rows or TILE[0]]
    tables = []
    for part in arguments.parts:
        began = time.perf_counter()
        table = PARTS[part](arguments.small)
        tables.append([f"{part} ({time.perf_counter() - began:.0f} s)", "", *table, ""])
    print("\n".join(line for table in tables for line in table))


if __name__ == "__main__":
    main()
