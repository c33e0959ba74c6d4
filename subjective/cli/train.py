"""`subjective train`: train a small network on source pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, setting
from subjective.cli.arguments import NOT_RECORDED, record, render_error, to_json
from subjective.cli.commands.networks import TrainCommand
from subjective.cli.outputs import check_out, write_out
from subjective.cli.settings_file import is_record
from subjective.conversion import Image
from subjective.devices import mesh_of
from subjective.feedforward import network_file
from subjective.feedforward import train as training
from subjective.feedforward.data import Photographs
from subjective.feedforward.networks import SMALLEST, Architecture
from subjective.feedforward.step import TrainPlan, TrainState, first_state
from subjective.images import find_images, read_image, resize
from subjective.network.normalization import load_params
from subjective.runs.folder import new_folder
from subjective.runs.provenance import (
    CONFIG_FILE,
    changed_files,
    describe_file,
    note_changes,
    note_environment,
    read_record,
    without_paths,
)
from subjective.runs.session import Observer, Session
from subjective.runs.training_folder import SaveSettings, TrainingFolder, TrainProgress, load_orbax
from subjective.runs.training_live import TrainingLive
from subjective.terminal import announce, note
from subjective.version import __version__

SHOWN = 256
"""Longer side, in pixels, of the pictures of a training."""

NETWORK_FILE = "network.safetensors"
"""Name of the file in a run folder that holds the trained network."""

OF_ONE_MACHINE = ("out", "output_dir", "output_prefix", "config", "init", "data_dir", "source", "content")
"""Settings that a network's file leaves out, because they have a meaning only on the machine of the training."""


def run(options: TrainCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    check_out(options, suffixes=[".safetensors"], resume=resume)
    load_orbax()
    mesh_of(options.devices)
    files = find_images(options.source)
    contents = find_images(options.content, "content") if options.content else []
    params = load_params(options.weights, data_dir=options.data_dir, raw=options.raw_weights)
    sources = [options.read_source(file) for file in files]
    steps = training.count_steps(options, len(contents))
    plan = training.plan_training(sources, options, params, steps)
    state = _first_state(options, plan)
    facts: dict[str, Any] = {
        "pictures": [describe_file(file, "source") for file in files],
        "photographs": len(contents),
    }
    if options.config is not None and is_record(options.config):
        note_changes(options.config, facts, "network")
    if resume is not None:
        _refuse_changes(resume, facts)
    photographs = _photographs(contents, options)
    draw = _drawer(plan.architecture, contents, options)
    path = resume or new_folder(Path(options.output_dir), options.output_prefix)
    settings = SaveSettings(
        steps,
        options.save_every,
        options.checkpoint_every,
        draw,
        _writer(options, plan.architecture, facts["pictures"], path),
        photographs,
    )
    folder = TrainingFolder(path, settings)
    announce(path)
    note(f"measuring the sources, and compiling for pictures of {options.size} pixels ...")
    observers: list[Observer] = [TrainProgress(), TrainingLive(path, draw)]
    with Session(folder, observers, lambda error: render_error(error, TrainCommand)) as session:
        if resume is None:
            folder.describe("train", _recorded(options), **facts, steps=steps)
        else:
            state = folder.resume(state) or state
        state = training.train(
            sources,
            options,
            params=params,
            photographs=photographs,
            steps=steps,
            state=state,
            on_step=session.on_step,
        )
        session.finish(state)
        if options.out is not None:
            made = path / NETWORK_FILE
            write_out(Path(options.out), made.read_bytes(), force=options.force, made=made, resume=resume)
    return session.status


def _first_state(options: TrainCommand, plan: TrainPlan) -> TrainState:
    """Return the state before the first step. Its parameters are random, or those of the network that --init names."""
    state = first_state(plan, options.seed)
    if options.init is None:
        return state
    network = network_file.read(options.init)
    if network.architecture != plan.architecture:
        raise InputError(
            f"{setting('init')} is {network.architecture}; wanted {plan.architecture}: the same kind and size"
        )
    return dataclasses.replace(state, params=network.params)


def _photographs(contents: Sequence[Path], options: TrainCommand) -> Photographs | None:
    """Return the photographs that a style network learns to repaint; None for a texture network."""
    if not contents:
        return None
    return Photographs(contents, options.size, options.batch, zoom=options.most_zoom, seed=options.seed, note=note)


def _writer(
    options: TrainCommand, architecture: Architecture, pictures: list[dict[str, str]], folder: Path
) -> Callable[[TrainState], None]:
    """Return the function that writes the network of a state to the run folder.

    The same state makes the same file, so that a resumed training knows its own network again.
    """

    settings, left_out = without_paths(to_json(options)), NOT_RECORDED.union(OF_ONE_MACHINE)

    def write(state: TrainState) -> None:
        facts = {
            "settings": {key: value for key, value in settings.items() if key not in left_out},
            "sources": [{"name": picture["name"], "sha256": picture["sha256"]} for picture in pictures],
            "steps": int(state.step),
            "subjective": __version__,
            "begun_from": None if options.init is None else network_file.read(options.init).facts,
        }
        network = network_file.TrainedNetwork(architecture, network_file.copy_to_host(state.params), facts)
        network_file.write(folder / NETWORK_FILE, network)

    return write


def _recorded(options: TrainCommand) -> dict[str, Any]:
    """Return all settings as a run folder records them.

    --like is left out, because the settings that it chose are recorded themselves.
    """
    changes = {}
    for name in ("init", "weights"):
        value = getattr(options, name)
        if value is not None and Path(value).exists():
            changes[name] = str(Path(value).absolute())
    values = record(options, **changes)
    del values["like"]
    return values


def _refuse_changes(folder: Path, facts: dict[str, Any]) -> None:
    """Refuse to resume a training if the sources or the number of photographs have changed."""
    recorded = read_record(folder / CONFIG_FILE)
    if not isinstance(recorded.get("pictures"), list) or "photographs" not in recorded:
        raise InputError(f"{str(folder / CONFIG_FILE)!r} does not say what was read; train anew")
    changed = changed_files({"pictures": recorded["pictures"]}, {"pictures": facts["pictures"]})
    if recorded["photographs"] != facts["photographs"]:
        changed.append(f"the number of photographs, {recorded['photographs']} then and {facts['photographs']} now,")
    note_environment(recorded, "the training does not go on bit for bit")
    for name in changed:
        raise InputError(f"cannot resume {str(folder)!r}: {name} has changed since the run started; train anew")


def _drawer(
    architecture: Architecture, contents: Sequence[Path], options: TrainCommand
) -> Callable[[Any], list[np.ndarray]]:
    """Return the function that makes the pictures of a training from the network's parameters.

    A texture network makes a texture of each source, for the first four sources. A style network repaints one
    photograph in each of the first four styles; the photograph itself comes first.
    """
    each = np.eye(architecture.sources, dtype=np.float32)[:4]
    if options.texture:
        size = (min(options.size, SHOWN),) * 2
        return lambda params: [training.draw(architecture, params, size, blend, options.seed) for blend in each]
    picture = _first_readable(contents)
    scale = SHOWN / max(picture.shape[:2])
    height, width = (max(SMALLEST, math.floor(length * scale)) for length in picture.shape[:2])
    small = resize(picture, (height, width))
    return lambda params: [small, *(training.paint(architecture, params, small, blend) for blend in each)]


def _first_readable(files: Sequence[Path]) -> Image:
    for file in files:
        try:
            return read_image(file)
        except InputError:
            continue
    raise InputError("none of the photographs can be read; give others")
