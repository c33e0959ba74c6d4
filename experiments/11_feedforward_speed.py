"""How fast is a style network, used and trained, against the same network in PyTorch?

    python experiments/11_feedforward_speed.py            (some ten minutes on two cores)
    python experiments/11_feedforward_speed.py --pairs 3 --threads 1 apply

Needs PyTorch beside the package (`pip install -e '.[bench]'`). Each program runs in a process of its own, with as many
threads; the two take turns, A B A B, so that both meet the same machine, and the ratio is the median of the pairs' own.

`apply` is Johnson's network (width 32, five residual blocks, reflected borders) on 1200x630 pixels; `train` is a step
of it on a batch of two crops of 128 pixels by the loss of `--like matlab` (Gram matrices at conv1_2, conv2_2, conv3_3
and conv4_3, content at conv3_3, zero padding, maximum pooling), with Adam. Both programs start from the same parameters
and must agree: in the picture, and in the loss of each step. PyTorch gets channels-last tensors.

The current figures are in 11_feedforward_speed.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZE = (630, 1200)
CROP, BATCH = 128, 2
STYLE = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


def picture() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(*SIZE, 3)).astype(np.float32)


def crops(step: int) -> np.ndarray:
    return np.random.default_rng((1, step)).uniform(size=(BATCH, CROP, CROP, 3)).astype(np.float32)


def setting() -> Any:
    from subjective.feedforward.config import TRAIN_PRESETS

    return dataclasses.replace(TRAIN_PRESETS["matlab"], size=CROP, batch=BATCH, border="reflect")


def in_jax(what: str) -> Callable[[int], float]:
    import jax
    import jax.numpy as jnp

    import subjective
    from subjective.feedforward import train
    from subjective.feedforward.loss import measure_targets
    from subjective.feedforward.networks import Architecture
    from subjective.feedforward.step import compile_step, first_state, make_batch, parameters_of

    if what == "apply":
        architecture = Architecture("style")
        params, image = parameters_of(architecture.build(0)), picture()
        return lambda step: float(np.square(train.paint(architecture, params, image, (1.0,))).mean())
    config, vgg = setting(), subjective.load_params(raw=True)
    plan = train.plan_training([picture()[:256, :256]], config, vgg, 1000)
    targets = measure_targets([picture()[:256, :256]], plan.objective, vgg)
    make, states = compile_step(plan), [first_state(plan, 0)]
    vgg = jax.tree.map(jnp.asarray, vgg)

    def evaluate(step: int) -> float:
        state, report = make(states[-1], make_batch(config, 1, step, crops(step)), targets, vgg)
        states[:] = [state]
        return float(report["loss"])

    return evaluate


def in_torch(what: str, threads: int) -> Callable[[int], float]:
    import torch
    import torch.nn.functional as F

    import subjective
    from subjective.feedforward.network_file import flatten
    from subjective.feedforward.networks import Architecture
    from subjective.feedforward.step import parameters_of

    torch.set_num_threads(threads)
    torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
    params = {}
    for name, leaf in flatten(parameters_of(Architecture("style").build(0))).items():
        value = torch.tensor(np.asarray(leaf))
        value = value.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value[0]
        params[name] = value.clone(memory_format=torch.preserve_format).requires_grad_(what == "train")

    def block(x: Any, place: int, stride: int = 1, enlarge: bool = False, relu: bool = True) -> Any:
        kernel = params[f"blocks.{place}.convolution.kernel"]
        x = F.interpolate(x, scale_factor=2, mode="nearest") if enlarge else x
        y = F.conv2d(F.pad(x, (kernel.shape[-1] // 2,) * 4, mode="reflect"), kernel, stride=stride)
        gain, shift = (params[f"blocks.{place}.norm.{part}"] for part in ("gain", "shift"))
        y = F.instance_norm(y, weight=gain, bias=shift, eps=1e-5)
        return F.relu(y) if relu else y

    def network(x: Any) -> Any:
        x = x * 2 - 1
        for place, stride in enumerate((1, 2, 2)):
            x = block(x, place, stride)
        for place in range(3, 13, 2):
            x = x + block(block(x, place), place + 1, relu=False)
        for place in (13, 14):
            x = block(x, place, enlarge=True)
        return (torch.tanh(F.conv2d(F.pad(x, (4, 4, 4, 4), mode="reflect"), params["last.kernel"])) + 1) / 2

    def tensor(pictures: np.ndarray) -> Any:
        return torch.tensor(pictures).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    if what == "apply":
        image = tensor(picture()[None])

        def apply(step: int) -> float:
            with torch.no_grad():
                return float(network(image).square().mean())

        return apply

    vgg = subjective.load_params(raw=True)
    mean = torch.tensor(vgg["input"]["mean"]).view(1, 3, 1, 1)
    layers = {}
    for name, layer in vgg.items():
        if name != "input":
            kernel = torch.tensor(layer["kernel"]).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
            layers[name] = (kernel, torch.tensor(layer["bias"]))

    def features(x: Any, padding: int) -> dict[str, Any]:
        x, found = x.flip(1) * 255 - mean, {}
        for name, (kernel, bias) in layers.items():
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(F.conv2d(x, kernel, bias, padding=padding))
            found[name] = x
        return found

    def grams(found: dict[str, Any]) -> list[Any]:
        maps = [found[layer].flatten(2) for layer in STYLE]
        return [m @ m.transpose(1, 2) / (m.shape[1] * m.shape[2]) for m in maps]

    with torch.no_grad():
        targets = grams(features(tensor(picture()[None, :256, :256]), 0))
    adam = torch.optim.Adam(params.values(), lr=1e-3)

    def evaluate(step: int) -> float:
        pictures = tensor(crops(step))
        with torch.no_grad():
            kept = features(pictures, 1)["conv3_3"]
        found = features(network(pictures), 1)
        style = sum(((g - t) ** 2).sum((1, 2)).mean() for g, t in zip(grams(found), targets, strict=True))
        loss = 3e-8 * style + 1e-4 * ((found["conv3_3"] - kept) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return evaluate


def work(program: str, what: str, threads: int) -> None:
    """Evaluate once for each line that comes in."""
    # XLA sizes its thread pool by the processors that the process may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    evaluate = in_jax(what) if program == "subjective" else in_torch(what, threads)
    for step, _ in enumerate(sys.stdin):
        started = time.perf_counter()
        value = evaluate(step)
        print(json.dumps({"seconds": time.perf_counter() - started, "value": value}), flush=True)


class Worker:
    def __init__(self, program: str, what: str, threads: int):
        command = [sys.executable, __file__, what, "--threads", str(threads), "--work", program]
        # Threads that wait must not take the processors of the program whose turn it is, or of others.
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        environment |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # a GPU has to have room for both
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def evaluate(self) -> dict[str, float]:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compare(what: str, threads: int, pairs: int) -> None:
    workers = {name: Worker(name, what, threads) for name in ("subjective", "torch")}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for number in range(pairs + 2):  # two to warm up
        for name, worker in workers.items():
            result = worker.evaluate()
            if number >= 2:
                runs[name].append(result)
    for worker in workers.values():
        worker.process.stdin.close()
        worker.process.wait()
    ours, theirs = runs["subjective"], runs["torch"]
    off = abs(ours[0]["value"] / theirs[0]["value"] - 1)
    assert off < 2e-2, f"the two differ by {off:.1e}"
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True)]
    for name, results in runs.items():
        print(f"{what:6s}  {name:10s}  {statistics.median(run['seconds'] for run in results):7.3f} s")
    print(
        f"{what:6s}  ratio subjective / torch: median {statistics.median(ratios):.2f}"
        f"  ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs); they differ by {off:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["apply", "train"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.what[0], arguments.threads)
        return
    for what in arguments.what:
        compare(what, arguments.threads, arguments.pairs)


if __name__ == "__main__":
    main()
