"""How fast is one loss and gradient, against the same in PyTorch?

    python experiments/01_speed.py            (256, 512 and 1024 px; about five minutes on two cores)
    python experiments/01_speed.py 512 --padding valid --threads 1

Needs PyTorch beside the package (`pip install -e '.[bench]'`). Each program runs in a process of its own,
with the same number of threads; the two take turns, A B A B, so that both meet the same machine, and the ratio is
the median of the pairs' own ratios. The loss is of Gram matrices (pool1 and conv3_2, average pooling, normalized
VGG-16, four octaves), the picture noise, the same in both. PyTorch gets channels-last tensors and fixed targets, and
its gradient goes to the picture alone.

`valid` padding needs 277 px for four octaves; at 256 px three are taken, as `--padding valid` says.

The current figures are in 01_speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

LAYERS = ("pool1", "conv3_2")
TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)


def octaves_for(size: int, padding: str) -> int:
    return 3 if padding == "valid" and size < 277 else 4


def noise(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(size, size, 3)).astype(np.float32)


def in_jax(size: int, padding: str, threads: int) -> Callable[[], tuple[float, float]]:
    # XLA sizes its thread pool by the processors that the process may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax
    import jax.numpy as jnp

    import subjective

    params = subjective.load_params()
    grams = subjective.parse_term("gram@" + ",".join(LAYERS))
    analysis = subjective.Analysis(tuple(range(octaves_for(size, padding))), (grams,), padding)
    targets = jax.jit(subjective.analyze, static_argnums=2)(params, jnp.asarray(noise(size, 1)), analysis)
    value_and_gradient = subjective.value_and_gradient(subjective.texture_loss(analysis))
    params = jax.tree.map(jnp.asarray, params)
    image = jnp.asarray(noise(size, 0))

    def evaluate() -> tuple[float, float]:
        (loss, _), gradient = value_and_gradient(image, targets, params)
        return float(loss), float(np.linalg.norm(np.asarray(gradient)))

    return evaluate


def torch_analysis(size: int, padding: str, device: str, maps: Any) -> Callable[[Any], list[Any]]:
    """The function that measures a picture ``(1, 3, size, size)`` in PyTorch; ``maps`` is the type of feature maps."""
    import torch
    import torch.nn.functional as F

    import subjective

    params = subjective.load_params()
    mean = torch.tensor(params["input"]["mean"], device=device).view(1, 3, 1, 1)
    layers = [(name, params.get(name)) for name in subjective.layer_names(params)]
    kernels = {
        name: (
            torch.tensor(layer["kernel"], device=device, dtype=maps)
            .permute(3, 2, 0, 1)
            .contiguous(memory_format=torch.channels_last),
            torch.tensor(layer["bias"], device=device, dtype=maps),
        )
        for name, layer in layers
        if layer is not None
    }
    taps = torch.tensor(TAPS, device=device)

    def pad(x: torch.Tensor, amount: int) -> torch.Tensor:
        if padding == "valid":
            return x
        # Two concatenations: F.pad's own circular mode is slower and loses the channels-last layout.
        x = torch.cat([x[:, :, -amount:], x, x[:, :, :amount]], 2)
        return torch.cat([x[:, :, :, -amount:], x, x[:, :, :, :amount]], 3)

    def reduce(x: torch.Tensor) -> torch.Tensor:
        x = pad(x, 2)
        x = F.conv2d(x, taps.view(1, 1, 5, 1).repeat(3, 1, 1, 1), stride=(2, 1), groups=3)
        return F.conv2d(x, taps.view(1, 1, 1, 5).repeat(3, 1, 1, 1), stride=(1, 2), groups=3)

    def gram(x: torch.Tensor) -> torch.Tensor:
        _, channels, height, width = x.shape
        matrix = x.permute(0, 2, 3, 1).reshape(-1, channels)
        return (matrix.T @ matrix).float() / (height * width * channels)

    def analyze(image: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for octave in range(octaves_for(size, padding)):
            if octave:
                image = reduce(image)
            x = (image.flip(1) * 255 - mean).to(maps).contiguous(memory_format=torch.channels_last)
            for name, _ in layers:
                pooled = name.startswith("pool")
                x = F.avg_pool2d(x, 2) if pooled else F.relu(F.conv2d(pad(x, 1), *kernels[name]))
                if name in LAYERS:
                    found.append(gram(x))
                if name == LAYERS[-1]:
                    break
        return found

    return analyze


def in_torch(size: int, padding: str, threads: int) -> Callable[[], tuple[float, float]]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import torch

    torch.set_num_threads(threads)
    analyze = torch_analysis(size, padding, "cpu", torch.float32)

    def tensor(seed: int) -> torch.Tensor:
        return torch.tensor(noise(size, seed)).permute(2, 0, 1)[None]

    with torch.no_grad():
        targets = analyze(tensor(1))

    def evaluate() -> tuple[float, float]:
        image = tensor(0).requires_grad_()
        loss = sum(((a - b) ** 2).sum() for a, b in zip(analyze(image), targets, strict=True))
        loss.backward()
        return float(loss), float(image.grad.norm())

    return evaluate


def work(program: str, size: int, padding: str, threads: int) -> None:
    """Worker: warm up, then one evaluation and one line of JSON for each line read."""
    evaluate = {"subjective": in_jax, "torch": in_torch}[program](size, padding, threads)
    started = time.perf_counter()
    evaluate()
    first = time.perf_counter() - started
    evaluate()
    for _ in sys.stdin:
        started = time.perf_counter()
        loss, gradient = evaluate()
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            json.dumps({"seconds": seconds, "loss": loss, "gradient": gradient, "first": first, "peak": peak}),
            flush=True,
        )


class Worker:
    def __init__(self, program: str, size: int, padding: str, threads: int):
        command = [
            sys.executable,
            __file__,
            str(size),
            "--padding",
            padding,
            "--threads",
            str(threads),
            "--work",
            program,
        ]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def evaluate(self) -> dict[str, float]:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compare(size: int, padding: str, threads: int, pairs: int) -> None:
    workers = {name: Worker(name, size, padding, threads) for name in ("subjective", "torch")}
    runs = {name: [] for name in workers}
    for worker in workers.values():
        worker.evaluate()  # waits until the worker has warmed up
    for _ in range(pairs):
        for name, worker in workers.items():
            runs[name].append(worker.evaluate())
    for worker in workers.values():
        worker.process.stdin.close()
        worker.process.wait()
    ours, theirs = runs["subjective"], runs["torch"]
    assert abs(ours[-1]["loss"] / theirs[-1]["loss"] - 1) < 1e-4, "the two losses differ"
    assert abs(ours[-1]["gradient"] / theirs[-1]["gradient"] - 1) < 1e-3, "the two gradients differ"
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True)]
    for name, results in runs.items():
        seconds = statistics.median(run["seconds"] for run in results)
        print(
            f"{size:5d} px  {padding:8s}  {name:10s}  {seconds:7.3f} s"
            f"  {size * size / seconds / 1e6:6.2f} megapixel-iterations/s"
            f"  peak {results[-1]['peak']:5.2f} GiB  first call {results[-1]['first']:5.1f} s"
        )
    print(
        f"{size:5d} px  {padding:8s}  ratio subjective / torch: median {statistics.median(ratios):.2f}"
        f"  ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[256, 512, 1024])
    parser.add_argument("--padding", choices=("circular", "valid"), default="circular")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.sizes[0], arguments.padding, arguments.threads)
        return
    for size in arguments.sizes:
        compare(size, arguments.padding, arguments.threads, arguments.pairs)


if __name__ == "__main__":
    main()
