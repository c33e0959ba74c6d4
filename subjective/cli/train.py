"""`subjective train`: read, train, keep what comes out in a run folder and where it was asked for."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subjective import images
from subjective.cli import making
from subjective.cli.flags import settings
from subjective.cli.network_options import TrainCommand
from subjective.devices import mesh_of
from subjective.feedforward import network_file
from subjective.feedforward import train as training
from subjective.feedforward.data import Photographs
from subjective.feedforward.networks import SMALLEST, Architecture
from subjective.feedforward.step import Plan, State, first_state
from subjective.network.formats.native import sha256
from subjective.network.normalization import load_params
from subjective.runs import interrupts, preflight
from subjective.runs.folder import new_folder
from subjective.runs.remarks import say
from subjective.runs.training_folder import TrainingRun, checkpointing
from subjective.runs.training_progress import TrainProgress
from subjective.version import __version__

SHOWN = 256
"""Side of the pictures beside the curves."""


def train(config: TrainCommand, resume: Path | None = None) -> int:
    """`subjective train`: a network out of source pictures.

    Args:
        config: what was asked.
        resume: folder of such a run, to be gone on with.
    """
    config.check()
    checkpointing()
    mesh_of(config.devices)
    files = images.find_images(config.source)
    contents = images.find_images(config.content, "content") if config.content else []
    params = load_params(config.weights, data_dir=config.data_dir, raw=config.raw_weights)
    sources = [config.read_source(file) for file in files]
    steps = training.steps_of(config, len(contents))
    plan = training.plan_of(sources, config, params, steps)
    state = _starting_state(config, plan)
    if config.output is not None:
        Path(config.output).parent.mkdir(parents=True, exist_ok=True)
    records = [{"name": file.name, "path": str(file.resolve()), "sha256": sha256(file)} for file in files]
    if resume is not None:
        _refuse_changed(resume, records, len(contents))
    photographs = None
    if contents:
        how: dict[str, Any] = {"zoom": config.most_zoom, "seed": config.rng_seed, "note": say}
        photographs = Photographs(contents, config.size, config.batch, **how)
    shown = _shown(plan.architecture, contents, config)
    folder = resume or new_folder(Path(config.output_dir), config.output_prefix)
    run = TrainingRun(folder, checkpoint_every=config.checkpoint_every)
    making.announce(folder)
    if resume is None:
        run.describe(_recorded(config), pictures=records, photographs=len(contents), steps=steps)
    else:
        found = run.resumed(state)
        if found is None:
            say(f"note: {str(resume)!r} has no checkpoint; it begins again")
        else:
            state, position = found
            if photographs is not None:
                photographs.go_on(position)
    keeper = _Keeper(config, run, plan.architecture, photographs, records, shown, steps)
    return keeper.work(
        lambda on_step: training.train(
            sources, config, params=params, photographs=photographs, steps=steps, state=state, on_step=on_step
        )
    )


def _starting_state(config: TrainCommand, plan: Plan) -> State:
    """Random, or with the parameters of the network that --init names."""
    state = first_state(plan, config.rng_seed)
    if config.init is None:
        return state
    network = network_file.read(config.init)
    if network.architecture != plan.architecture:
        raise ValueError(f"--init is {network.architecture}; wanted {plan.architecture}: the same kind and size")
    return dataclasses.replace(state, params=network.params)


class _Keeper:
    """Keeps what a training makes, whatever becomes of it."""

    def __init__(
        self,
        config: TrainCommand,
        run: TrainingRun,
        architecture: Architecture,
        photographs: Photographs | None,
        records: list[dict[str, str]],
        shown: Callable[[Any], list[np.ndarray]],
        steps: int,
    ):
        self.config, self.run, self.architecture = config, run, architecture
        self.photographs, self.records, self.shown, self.steps = photographs, records, shown, steps
        self.progress = TrainProgress(steps)
        self.state: State | None = None

    def on_step(self, step: training.TrainStep) -> None:
        stopping = interrupts.asked()
        self.state = step.state
        self.run.record(step)
        self.progress.update(step)
        if self.config.save_every and step.number % self.config.save_every == 0:
            self.show(step.state)
        if stopping or (self.run.due and step.number < self.steps):
            self.run.checkpoint(step.state, self.position)
        if stopping:
            interrupts.stop()

    @property
    def position(self) -> Any:
        return None if self.photographs is None else self.photographs.position

    def show(self, state: State) -> None:
        self.run.show(self.shown(state.params))

    def work(self, do: Callable[[Callable[[training.TrainStep], None]], State]) -> int:
        """Train; keep the network, or where it stands."""
        try:
            state = do(self.on_step)
            interrupts.end_of_steps()
            self.run.checkpoint(state, self.position)
            self.show(state)
            self.write(state)
        except interrupts.Interrupted:
            self.abandon("interrupted", "interrupted")
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "no room left to write" if full else "cannot write"
            return self.abandon("failed", f"{what} in {self.run.folder} ({error.strerror or error})")
        except ValueError as error:  # a loss that is not finite among them
            return self.abandon("failed", str(error))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if preflight.is_out_of_memory(error):
                return self.abandon("failed", "out of memory; lower --batch, --size or --width")
            self.abandon("failed", "the compiled program failed")
            raise
        self.progress.close()
        skipped = [] if self.photographs is None else sorted(path.name for path in self.photographs.skipped)
        if skipped:
            files = len(self.photographs.files) if self.photographs else 0
            self.progress.note(f"subjective: {len(skipped)} of {files} photographs could not be read and were left out")
        self.run.conclude("finished", None, unreadable=skipped)
        return 0

    def write(self, state: State) -> None:
        """The network's file: in the run folder, and where it was asked for."""
        hidden = (
            "output",
            "output_dir",
            "output_prefix",
            "config",
            "init",
            "data_dir",
            "source",
            "content",
        )  # of one machine
        facts = {
            "settings": {key: value for key, value in settings(self.config).items() if key not in hidden},
            "sources": [{"name": record["name"], "sha256": record["sha256"]} for record in self.records],
            "steps": int(state.step),
            "seconds": round(self.run.seconds, 1),
            "subjective": __version__,
            "begun_from": None if self.config.init is None else network_file.read(self.config.init).facts,
        }
        network = network_file.Network(self.architecture, network_file.on_host(state.params), facts)
        network_file.write(self.run.folder / "network.safetensors", network)
        if self.config.output is not None:
            network_file.write(self.config.output, network)

    def abandon(self, status: str, reason: str) -> int:
        """Keep where a training stands that was stopped; 2, the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second one shall not spoil what the first one saves
        self.progress.close()
        self.progress.note(f"subjective: {reason}")
        try:
            if self.state is not None:
                if status == "interrupted":
                    self.run.checkpoint(self.state, self.position)
                self.write(self.state)
                self.progress.note(f"subjective: the network of step {int(self.state.step)} is in {self.run.folder}")
            self.run.conclude(status, reason)
        except OSError as error:
            self.progress.note(f"subjective: note: where it stands could not be kept ({error.strerror})")
        else:
            self.progress.note(f"subjective: to go on: subjective resume {shlex.quote(str(self.run.folder))}")
        return 2


def _recorded(config: TrainCommand) -> dict[str, Any]:
    """All settings, with every path absolute so that they mean the same from any folder."""
    values = settings(config)
    for key in ("source", "content"):
        if values[key] is not None:
            values[key] = [str(Path(name).absolute()) for name in values[key]]
    for key in ("output", "output_dir", "data_dir", *(["init"] if config.init and Path(config.init).exists() else [])):
        if values[key] is not None:
            values[key] = str(Path(values[key]).absolute())
    if Path(config.weights).is_file():
        values["weights"] = str(Path(config.weights).absolute())
    del values["config"], values["like"]  # what the latter stands for is there
    return values


def _refuse_changed(folder: Path, records: list[dict[str, str]], photographs: int) -> None:
    recorded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    try:
        before = {picture["path"]: picture["sha256"] for picture in recorded["pictures"]}
        count = recorded["photographs"]
    except (KeyError, TypeError):
        raise ValueError(f"{str(folder / 'config.json')!r} does not say what was read; train anew") from None
    for picture in records:
        if before.get(picture["path"]) != picture["sha256"]:
            raise ValueError(
                f"{picture['path']} has changed since {str(folder)!r} was begun; it cannot go on as it was"
            )
    if count != photographs:
        raise ValueError(
            f"there are {photographs} photographs where {count} were; {str(folder)!r} cannot go on as it was"
        )


def _shown(
    architecture: Architecture, contents: Sequence[Path], config: TrainCommand
) -> Callable[[Any], list[np.ndarray]]:
    """What is drawn beside the curves: a photograph and the same repainted, or a texture; of each source."""
    each = np.eye(architecture.sources, dtype=np.float32)[:4]
    if config.texture:
        size = (min(config.size, SHOWN),) * 2
        return lambda params: [training.draw(architecture, params, size, blend, config.rng_seed) for blend in each]
    for file in contents:
        try:
            whole = images.read_image(file)
        except (ValueError, OSError):
            continue
        scale = SHOWN / max(whole.shape[:2])
        height, width = (max(SMALLEST, math.floor(length * scale)) for length in whole.shape[:2])
        picture = images.resize(whole, (height, width))
        return lambda params: [picture, *(training.paint(architecture, params, picture, blend) for blend in each)]
    raise ValueError(f"none of the {len(contents)} photographs can be read; give others")
