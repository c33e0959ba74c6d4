"""The commands that make pictures: read, call the library, keep what comes out in a run folder."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from subjective import images, normalization, synthesis, weights
from subjective.config import NoveltyCommand, PictureConfig, SynthesizeCommand, settings
from subjective.optimize import NonFiniteLossError, Result, Step
from subjective.progress import Progress
from subjective.runs import Run, sha256_of
from subjective.vgg import Params

OnStep = Callable[[int, Step], None]
MakeCommand = SynthesizeCommand | NoveltyCommand


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a polite kill; carries the signal's number."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def synthesize(config: SynthesizeCommand) -> int:
    """`subjective synthesize`: textures out of source pictures."""
    config.check()
    files = images.find_images(config.source)
    if config.source_weights is not None and len(config.source_weights) != len(files):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(files)} pictures; give one for each"
        )
    params, origin = _load_params(config)
    analysis = synthesis.analysis_of(config, params, "valid")
    synthesis.check_size("the picture", config.size, synthesis.analysis_of(config, params), params)
    sources, records = [], []
    for file in files:
        source = images.read_image(file, width=config.source_width, scale=config.source_scale)
        synthesis.check_size(f"source {str(file)!r}", source.shape[:2], analysis, params)
        sources.append(source)
        records.append({"name": file.name, "path": str(file.resolve()), "sha256": sha256_of(file)})
    init = _starting_picture(config)
    _note_changes(config.config, records)

    def work(on_step: OnStep) -> list[Result]:
        return synthesis.synthesize(sources, config, params=params, init=init, on_step=on_step)

    return _run("synthesize", config, config.count, work, sources=records, weights=origin)


def novelty(config: NoveltyCommand) -> int:
    """`subjective novelty`: pictures unlike each other, out of nothing."""
    config.check()
    params, origin = _load_params(config)
    synthesis.check_size("the picture", config.size, synthesis.analysis_of(config, params), params)
    init = _starting_picture(config)

    def work(on_step: OnStep) -> list[Result]:
        return [synthesis.invent(config, params=params, init=init, on_step=on_step)]

    return _run("novelty", config, config.frames, work, weights=origin)


def _load_params(config: MakeCommand) -> tuple[Params, dict[str, Any]]:
    network = weights.load(config.weights, config.data_dir)
    return normalization.params_of(network, raw=config.raw_weights), {
        "name": network.name,
        "architecture": network.architecture,
        "sha256": network.sha256,
    }


def _starting_picture(config: PictureConfig) -> np.ndarray | None:
    """The picture that --seed names, in the output's size; None where it names a kind of noise."""
    if config.seed in ("random", "symmetric"):
        return None
    if not Path(config.seed).exists():
        raise ValueError(f"--seed is {config.seed!r}, which is no file; wanted random, symmetric or a picture file")
    return images.resize(images.read_image(config.seed), config.size)


def _note_changes(config_file: str | None, records: list[dict[str, Any]]) -> None:
    """Say so when a source is no longer the file that the recorded run had read."""
    if config_file is None:
        return
    recorded = {
        source["path"]: source["sha256"] for source in json.loads(Path(config_file).read_text()).get("sources", [])
    }
    for source in records:
        if recorded.get(source["path"], source["sha256"]) != source["sha256"]:
            sys.stderr.write(f"subjective: note: {source['path']!r} has changed since {config_file!r} was written\n")


def _recorded(config: MakeCommand) -> dict[str, Any]:
    """All settings, with every path absolute so that they mean the same from any folder."""
    values = settings(config)
    if "source" in values:
        values["source"] = [str(Path(source).absolute()) for source in values["source"]]
    for key in ("seed", "weights"):
        if Path(values[key]).is_file():
            values[key] = str(Path(values[key]).absolute())
    if config.data_dir is not None:
        values["data_dir"] = str(Path(config.data_dir).absolute())
    del values["config"]
    return values


def _run(
    command: str,
    config: MakeCommand,
    pictures: int,
    work: Callable[[OnStep], list[Result]],
    **facts: Any,
) -> int:
    """Do the work with a run folder, progress, and the last picture kept whatever happens."""
    run = Run(config.output_dir, config.output_prefix, frames=pictures, save_every=config.save_every)
    sys.stdout.write(f"{run.folder}\n")
    sys.stdout.flush()
    optimizations = pictures if command == "synthesize" else 1
    progress = Progress(config.max_iter, optimizations)

    def on_step(number: int, step: Step) -> None:
        run.record(number, step)
        progress.update(number, step)

    def abandon(status: str, reason: str) -> None:
        progress.close()
        kept = run.abandon(status, reason)
        progress.note(
            f"subjective: {reason}; " + (f"the last picture is {kept}" if kept else "no picture was made yet")
        )

    try:
        run.describe(command, _recorded(config), **facts)
        run.reserve(config.size)
        progress.note(f"compiling for {config.size[1]}x{config.size[0]} pixels ...")
        results = work(on_step)
        progress.close()
        run.finish(results)
    except Interrupted:
        abandon("interrupted", "interrupted")
        raise
    except NonFiniteLossError as error:
        abandon("failed", str(error))
        return 2
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        abandon("failed", f"{'no room left to write' if full else 'cannot write'} in {run.folder} ({error.strerror})")
        return 2
    for result in results:
        progress.note(
            f"loss {result.loss:.6g} after {result.steps} steps, {result.evaluations} evaluations: {result.message}"
        )
    return 0
