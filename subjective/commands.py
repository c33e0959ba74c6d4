"""The commands that make pictures: read, call the library, keep what comes out in a run folder."""

from __future__ import annotations

import dataclasses
import errno
import json
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subjective import checkpoints, images, interruption, normalization, plan, preflight, synthesis, weights
from subjective.command_config import NoveltyCommand, SynthesizeCommand
from subjective.config import PictureConfig, settings
from subjective.evaluation_commands import one_line, scores_of_run
from subjective.formats.native import sha256
from subjective.init import SEEDS
from subjective.optimize import Result, Step
from subjective.position import OnStep, Position
from subjective.progress import Progress
from subjective.runs import Run, new_folder
from subjective.vgg import Params

MakeCommand = SynthesizeCommand | NoveltyCommand


def announce(folder: Path) -> None:
    """Name a run's folder on stdout."""
    sys.stdout.write(f"{folder}\n")
    sys.stdout.flush()


def synthesize(config: SynthesizeCommand, begun: Callable[[Path], None] = announce, resume: Path | None = None) -> int:
    """`subjective synthesize`: textures out of source pictures.

    Args:
        config: what was asked.
        begun: told the run's folder.
        resume: folder of such a run, to be gone on with.
    """
    config.check()
    files = images.find_images(config.source)
    if config.source_weights is not None and len(config.source_weights) != len(files):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(files)} pictures; give one for each"
        )
    network, params, origin = _load_params(config)
    sources = [config.read_source(file) for file in files]
    records = [_picture_record(file, "source") for file in files]
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = plan.with_octaves(config, params, sizes)
    analysis = plan.analysis_of(config, params, sizes)
    plan.check_size("the picture", config.size, analysis, params)
    for file, source in zip(files, sources, strict=True):
        of_source = dataclasses.replace(analysis, padding="valid")
        plan.check_size(f"source {str(file)!r}", source.shape[:2], of_source, params)
    init = _starting_picture(config)
    if resume is None:  # else it is as planned then
        limit = preflight.memory_limit(config.memory_limit)
        if not config.dry_run:  # where nothing can be written nothing needs to be compiled
            Path(config.output_dir).mkdir(parents=True, exist_ok=True)
        config = preflight.fitted(config, params, sources, limit, say)
    analysis = plan.analysis_of(config, params, sizes)
    for text in plan.left_out(config, params, analysis):
        sys.stderr.write(f"subjective: note: no octave has room for {text}; it is left out\n")

    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        return synthesis.synthesize(sources, config, params=params, init=init, on_step=on_step, resume=position())

    def score(results: list[Result]) -> list[Any]:
        pictures = [np.asarray(result.value) for result in results]
        # By the network that `subjective evaluate` takes, so that figures compare whatever the run was made with.
        judge = normalization.params_of(network, raw=network.scales is None)
        return scores_of_run(pictures, sources, judge, analysis.layers)

    scoring = score if config.evaluate else None
    return _run("synthesize", config, config.count, work, scoring, begun, resume, pictures=records, weights=origin)


def say(line: str) -> None:
    """Remark on something."""
    sys.stderr.write(f"subjective: {line}\n")
    sys.stderr.flush()


def novelty(config: NoveltyCommand, resume: Path | None = None) -> int:
    """`subjective novelty`: pictures unlike each other, out of nothing; arguments as of `synthesize`."""
    config.check()
    _, params, origin = _load_params(config)
    config = plan.with_octaves(config, params)
    plan.check_size("the picture", config.size, plan.analysis_of(config, params), params)
    init = _starting_picture(config)

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        return [synthesis.invent(config, params=params, init=init, on_step=on_step, resume=position())]

    return _run("novelty", config, config.frames, work, None, announce, resume, weights=origin)


def _load_params(config: MakeCommand) -> tuple[weights.Network, Params, dict[str, Any]]:
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


def _starting_picture(config: PictureConfig) -> np.ndarray | None:
    """The picture that --seed names, in the output's size; None where it names a kind of noise."""
    if config.seed in SEEDS:
        return None
    if not Path(config.seed).exists():
        raise ValueError(f"--seed is {config.seed!r}, which is no file; wanted {', '.join(SEEDS)} or a picture file")
    return images.resize(images.read_image(config.seed), config.size)


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
            sys.stderr.write(f"subjective: note: {name} has changed since {config_file!r} was written\n")


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
            sys.stderr.write(f"subjective: note: {error}; taking the one before\n")
            continue
        run.resumed(position, kept)
        return position
    if paths:
        again = shlex.quote(str(run.folder / "config.json"))
        raise ValueError(f"no checkpoint in {str(run.folder)!r} can be read; to begin again, use --config {again}")
    sys.stderr.write(f"subjective: note: {str(run.folder)!r} has no checkpoint; it begins again\n")
    run.forget()
    return None


def _picture_record(path: Path, use: str) -> dict[str, str]:
    return {"use": use, "name": path.name, "path": str(path.resolve()), "sha256": sha256(path)}


def _recorded(config: MakeCommand, network: str) -> dict[str, Any]:
    """All settings, with every path absolute so that they mean the same from any folder."""
    values = settings(config)
    if "source" in values:
        values["source"] = [str(Path(source).absolute()) for source in values["source"]]
    if config.seed not in SEEDS:
        values["seed"] = str(Path(config.seed).absolute())
    values["weights"] = network
    values["output_dir"] = str(Path(config.output_dir).absolute())
    if config.data_dir is not None:
        values["data_dir"] = str(Path(config.data_dir).absolute())
    del values["config"]
    return values


def _run(
    command: str,
    config: MakeCommand,
    count: int,
    work: Callable[[OnStep, Callable[[], Position | None]], list[Result]],
    score: Callable[[list[Result]], list[Any]] | None,
    begun: Callable[[Path], None],
    resume: Path | None,
    **facts: Any,
) -> int:
    """Do the work with a run folder, progress, and the last picture kept whatever happens; then score it."""
    if config.seed not in SEEDS:
        facts["pictures"] = [*facts.get("pictures", []), _picture_record(Path(config.seed), "start")]
    _note_changes(config.config, facts)
    if resume is not None:
        for name in _changed(resume / "config.json", facts):
            raise ValueError(f"{name} has changed since {str(resume)!r} was begun; it cannot go on as it was")
    folder = resume or new_folder(Path(config.output_dir), config.output_prefix)
    run = Run(folder, frames=count, save_every=config.save_every, checkpoint_every=config.checkpoint_every)
    begun(run.folder)
    if isinstance(config, SynthesizeCommand):
        progress = Progress(config.steps, count, starts=config.starts)
    else:
        progress = Progress(lambda size: config.max_iter)

    def on_step(number: int, step: Step) -> None:
        stopping = interruption.asked()
        run.record(number, step, last=stopping)
        progress.update(number, step)
        if stopping:
            interruption.stop()

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
            run.describe(command, _recorded(config, facts["weights"]["use"]), **facts)
        run.reserve(config.size)
        # Nobody but the work holds the position, which is as large as all that it takes.
        results = work(on_step, lambda: None if resume is None else _taken_up(run))
        interruption.end_of_steps()
        progress.close()
        run.finish(results)
    except interruption.Interrupted:
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
        progress.note("measuring against the source ...")
        scores = score(results)
        run.score(scores)
        for found in scores:
            progress.note(found if isinstance(found, str) else one_line(found))
    return 0
