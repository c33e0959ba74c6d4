"""What the commands that make pictures have in common: parameters, records, and a run folder around the work."""

from __future__ import annotations

import dataclasses
import errno
import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from subjective import images
from subjective.cli.flags import settings
from subjective.cli.options import AnimateCommand, NoveltyCommand, SynthesizeCommand, TransferCommand
from subjective.network import normalization, weights
from subjective.network.formats.native import sha256
from subjective.network.vgg import Params
from subjective.optimize.minimizer import Result, Step
from subjective.runs import checkpoints, interrupts, preflight
from subjective.runs.folder import Run, new_folder
from subjective.runs.memory import memory_limit
from subjective.runs.progress import Progress
from subjective.runs.remarks import say
from subjective.statistics.terms import Analysis
from subjective.synthesis import plan
from subjective.synthesis.picture_config import PictureConfig
from subjective.synthesis.position import OnStep, Position
from subjective.synthesis.problem import Job
from subjective.synthesis.starts import SEEDS

MakeCommand = SynthesizeCommand | AnimateCommand | TransferCommand | NoveltyCommand
Made = TypeVar("Made", SynthesizeCommand, AnimateCommand, TransferCommand, NoveltyCommand)


def announce(folder: Path) -> None:
    """Name a run's folder on stdout."""
    sys.stdout.write(f"{folder}\n")
    sys.stdout.flush()


def fitted(
    config: Made, params: Params, sizes: Sequence[tuple[int, int]], prepare: Callable[[Made], Job], resume: Path | None
) -> tuple[Made, Job]:
    """The config as it fits into memory, said on stderr, and the work; what is gone on with is as planned then."""
    if resume is not None:
        return config, prepare(config)
    limit = memory_limit(config.memory_limit)
    if not config.dry_run:  # where nothing can be written nothing needs to be compiled
        Path(config.output_dir).mkdir(parents=True, exist_ok=True)
    return preflight.fitted(config, params, sizes, prepare, limit, say)


def load_params(config: MakeCommand) -> tuple[weights.Network, Params, dict[str, Any]]:
    """A network, its parameters as the run takes them, and what the run folder says of them."""
    if config.data_dir is not None and not Path(config.data_dir).is_dir():
        raise ValueError(f"--data-dir is {config.data_dir!r}, which is no folder; wanted one that holds parameters")
    network = weights.load(config.weights, config.data_dir)
    params = normalization.params_of(network, raw=config.raw_weights)
    named = any(entry.name == config.weights for entry in weights.available(config.data_dir))
    return (
        network,
        params,
        {
            "use": config.weights if named else str(network.path.absolute()),
            "architecture": network.architecture,
            "sha256": network.sha256,
            "scales_sha256": None if config.raw_weights else sha256(weights.scales_path(network.path)),
        },
    )


def starting_picture(config: PictureConfig) -> np.ndarray | None:
    """The picture that --seed names, in the output's size; None where it names a kind of noise."""
    if config.seed in SEEDS:
        return None
    if not Path(config.seed).exists():
        raise ValueError(f"--seed is {config.seed!r}, which is no file; wanted {', '.join(SEEDS)} or a picture file")
    return images.resize(images.read_image(config.seed), config.output_size)


def _hashes(facts: dict[str, Any]) -> dict[str, str]:
    """What a run has read, with its sha256; empty where the record was edited beyond recognition."""
    try:
        network = facts["weights"]
        hashes = {f"{network['use']}": network["sha256"], f"the scales of {network['use']}": network["scales_sha256"]}
        return hashes | {picture["path"]: picture["sha256"] for picture in facts.get("pictures", [])}
    except (TypeError, KeyError, AttributeError):
        return {}


def _note_changes(config_file: str | None, facts: dict[str, Any]) -> None:
    """Say so when something is no longer what the recorded run had read."""
    if config_file is not None:
        for name in _changed(Path(config_file), facts):
            say(f"note: {name} has changed since {config_file!r} was written")


def _changed(config_file: Path, facts: dict[str, Any]) -> list[str]:
    recorded = _hashes(json.loads(config_file.read_text(encoding="utf-8")))
    found = _hashes(facts)
    return [name for name in dict.fromkeys([*recorded, *found]) if recorded.get(name) != found.get(name)]


def _taken_up(run: Run) -> Position | None:
    """Where a run stands by its newest sound checkpoint; None if there is none, so that it begins again.

    Raises:
        ValueError: there are some, and none is sound.
    """
    checkpoints.clear(run.folder)
    paths = checkpoints.found(run.folder)
    for path in reversed(paths):
        try:
            position, kept = checkpoints.read(path)
        except ValueError as error:
            say(f"note: {error}; taking the one before")
            continue
        run.resumed(position, kept)
        return position
    if paths:
        again = shlex.quote(str(run.folder / "config.json"))
        raise ValueError(f"no checkpoint in {str(run.folder)!r} can be read; to begin again, use --config {again}")
    say(f"note: {str(run.folder)!r} has no checkpoint; it begins again")
    run.forget()
    return None


def judge_of(network: weights.Network) -> Params:
    """The parameters that `subjective evaluate` takes, so that figures compare whatever a run was made with."""
    return normalization.params_of(network, raw=network.scales is None)


def read_mask(name: str, size: tuple[int, int]) -> np.ndarray:
    """A grey picture ``(height, width)``, in that size."""
    if not Path(name).is_file():
        raise ValueError(f"no such mask: {name!r}; give a picture, white where its source holds and black elsewhere")
    return np.asarray(images.resize(images.read_image(name), size).mean(axis=2))


def check_sources(
    name: str, use: str, files: Sequence[Path], sizes: Sequence[tuple[int, int]], config: PictureConfig, params: Params
) -> Analysis:
    """Refuse a picture or sources too small for what is asked of them, and say what there is no room for.

    Args:
        name: of the picture, for the message.
        use: what a source is called there.
        files: the sources.
        sizes: (height, width) of each.
        config: with its number of octaves chosen.
        params: the network.

    Returns:
        The analysis that it is.
    """
    analysis = plan.analysis_of(config, params, sizes)
    plan.check_size(config.as_painted(name), config.size, analysis, params)
    of_source = dataclasses.replace(analysis, padding=plan.VALID)
    for file, size in zip(files, sizes, strict=True):
        plan.check_size(f"{use} {str(file)!r}", size, of_source, params)
    for text in plan.left_out(config, params, analysis):
        say(f"note: no octave has room for {text}; it is left out")
    for text in plan.without_effect(config):
        say(f"note: nothing comes of {text}")
    return analysis


def shares_of(
    config: SynthesizeCommand | AnimateCommand | TransferCommand, masks: np.ndarray | None
) -> Sequence[float] | None:
    """How much of a picture is of each source, as its weights or its regions' areas say; None if all are equal."""
    return config.source_weights if masks is None else masks.mean(axis=(0, 1)).tolist()


def picture_record(path: Path, use: str) -> dict[str, str]:
    """What a run folder says of a picture that was read; ``use`` is what for."""
    return {"use": use, "name": path.name, "path": str(path.resolve()), "sha256": sha256(path)}


def _recorded(config: MakeCommand, network: str) -> dict[str, Any]:
    """All settings, with every path absolute so that they mean the same from any folder."""
    values = settings(config)
    for name in ("source", "keyframes", "blend_map", "content_mask", "style_mask"):
        if values.get(name):
            values[name] = [str(Path(source).absolute()) for source in values[name]]
    for name in ("frame_weights", "content", "out"):
        if values.get(name) is not None:
            values[name] = str(Path(values[name]).absolute())
    if config.seed not in SEEDS:
        values["seed"] = str(Path(config.seed).absolute())
    values["weights"] = network
    values["output_dir"] = str(Path(config.output_dir).absolute())
    if config.data_dir is not None:
        values["data_dir"] = str(Path(config.data_dir).absolute())
    del values["config"]
    return values


def run(
    command: str,
    config: MakeCommand,
    count: int,
    work: Callable[[OnStep, Callable[[], Position | None]], list[Result]],
    score: Callable[[Path, list[Result]], Iterator[tuple[Any, str]]] | None,
    begun: Callable[[Path], None],
    resume: Path | None,
    asked: dict[str, Any] | None = None,
    **facts: Any,
) -> int:
    """Do the work with a run folder, progress, and the last picture kept whatever happens; then score it.

    Args:
        command: its name.
        config: what was asked.
        count: pictures in all.
        work: given ``on_step`` and where to go on from, makes them.
        score: given the folder and what came of the work, yields what the summary says of each, and that in words.
        begun: told the folder.
        resume: a folder to go on with.
        asked: settings to be recorded as they were asked for, not as they were worked out.
        facts: that ``config.json`` is to hold besides; what was read among them.
    """
    if config.seed not in SEEDS:
        facts["pictures"] = [*facts.get("pictures", []), picture_record(Path(config.seed), "start")]
    _note_changes(config.config, facts)
    if resume is not None:
        for name in _changed(resume / "config.json", facts):
            raise ValueError(f"{name} has changed since {str(resume)!r} was begun; it cannot go on as it was")
    folder = resume or new_folder(Path(config.output_dir), config.output_prefix)
    run = Run(folder, frames=count, save_every=config.save_every, checkpoint_every=config.checkpoint_every)
    begun(run.folder)
    starts = 1 if isinstance(config, NoveltyCommand) else config.starts

    def steps_of(shown: tuple[int, ...]) -> int:
        """Of the stage whose picture has that size without its margin."""
        return config.steps(config.size if shown == config.output_size else shown)

    progress = Progress(steps_of, 1 if config.together > 1 else count, starts=starts)

    def on_step(number: int, step: Step) -> None:
        stopping = interrupts.asked()
        run.record(number, step, last=stopping)
        progress.update(number, step)
        if stopping:
            interrupts.stop()

    def abandon(status: str, reason: str) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second one shall not spoil what the first one saves
        progress.close()
        kept = run.abandon(status, reason)
        progress.note(f"subjective: {reason}; {f'the last picture is {kept}' if kept else 'no picture was made yet'}")
        if checkpoints.found(run.folder):
            progress.note(f"subjective: to go on: subjective resume {shlex.quote(str(run.folder))}")
        return 2

    try:
        if resume is None:
            run.describe(command, _recorded(config, facts["weights"]["use"]) | (asked or {}), **facts)
        run.reserve(config.output_size)
        # Nobody but the work holds the position, which is as large as all that it takes.
        results = work(on_step, lambda: None if resume is None else _taken_up(run))
        interrupts.end_of_steps()
        progress.close()
        run.finish(results)
    except interrupts.Interrupted:
        abandon("interrupted", "interrupted")
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "no room left to write" if full else "cannot write"
        return abandon("failed", f"{what} in {run.folder} ({error.strerror})")
    except ValueError as error:  # a loss that is not finite among them
        return abandon("failed", str(error))
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if preflight.is_out_of_memory(error):
            return abandon("failed", "out of memory; make a smaller picture, or lower --history or --count")
        abandon("failed", "the compiled program failed")
        raise
    for result in results:
        effort = f"{result.steps} steps, {result.evaluations} evaluations"
        progress.note(f"loss {result.loss:.6g} after {effort}: {result.message}")
    if score is not None:
        progress.note("measuring ...")
        scores = list(score(run.folder, results))
        run.score([found for found, _ in scores])
        for _, words in scores:
            progress.note(words)
    return 0
