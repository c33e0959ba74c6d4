"""The commands that make pictures: read, call the library, keep what comes out in a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from subjective import images
from subjective.cli.evaluate import one_line, scores_of_run
from subjective.cli.making import (
    announce,
    check_sources,
    fitted,
    judge_of,
    load_params,
    picture_record,
    read_mask,
    run,
    shares_of,
    starting_picture,
)
from subjective.cli.options import AnimateCommand, NoveltyCommand, SynthesizeCommand
from subjective.evaluation.motion import motion, plot
from subjective.network import weights
from subjective.network.vgg import Params
from subjective.optimize.minimizer import Result
from subjective.runs.remarks import say
from subjective.runs.videos import can_write, write_videos
from subjective.statistics.regions import whole_masks
from subjective.synthesis import plan, texture
from subjective.synthesis.frames import check_moves
from subjective.synthesis.morph import TURNED_BY, around, read_weights
from subjective.synthesis.position import OnStep, Position
from subjective.synthesis.problem import Job, prepared, prepared_animation, prepared_novelty

Texture = TypeVar("Texture", SynthesizeCommand, AnimateCommand)


@dataclass(frozen=True)
class _Read(Generic[Texture]):
    """What a command that makes textures has read."""

    config: Texture
    network: weights.Network
    params: Params
    sources: list[np.ndarray]
    masks: np.ndarray | None
    facts: dict[str, Any]
    matched: tuple[str, ...]
    """Layers."""

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(source.shape[0], source.shape[1]) for source in self.sources]


def _read(config: Texture, files: Sequence[Path]) -> _Read[Texture]:
    """The network and the sources, checked against the config, whose number of octaves is chosen."""
    if config.source_weights is not None and len(config.source_weights) != len(files):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(files)} pictures; give one for each"
        )
    network, params, origin = load_params(config)
    sources = [config.read_source(file) for file in files]
    pictures = [picture_record(file, "source") for file in files]
    masks = None
    if config.blend_map:
        masks = whole_masks([read_mask(name, config.output_size) for name in config.blend_map], len(sources))
        pictures += [picture_record(Path(name), "mask") for name in config.blend_map]
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = plan.with_octaves(config, params, sizes)
    matched = check_sources("the picture", "source", files, sizes, config, params).layers
    return _Read(config, network, params, sources, masks, {"pictures": pictures, "weights": origin}, matched)


def _scored(read: _Read[Texture], pictures: Sequence[np.ndarray], shares: Sequence[float] | None = None) -> list[Any]:
    """Pictures against the sources, each of which counts as is said, or else as the settings say."""
    shares = shares_of(read.config, read.masks) if shares is None else shares
    return scores_of_run(pictures, read.sources, judge_of(read.network), read.matched, shares)


def _frames_scored(read: _Read[Texture], frames: np.ndarray, shares: np.ndarray | None) -> list[Any]:
    """Each frame against the sources as it has a share of them, to a quarter of the largest share."""
    if shares is None:
        return _scored(read, list(frames))
    scores: list[Any] = [None] * len(frames)
    alike: dict[tuple[float, ...], list[int]] = {}  # sources are measured anew for other shares
    for number, share in enumerate(shares):
        alike.setdefault(tuple((np.round(4 * share / share.max()) / 4).tolist()), []).append(number)
    for share, numbers in alike.items():
        for number, score in zip(numbers, _scored(read, [frames[n] for n in numbers], share), strict=True):
            scores[number] = score
    return scores


def synthesize(config: SynthesizeCommand, begun: Callable[[Path], None] = announce, resume: Path | None = None) -> int:
    """`subjective synthesize`: textures out of source pictures.

    Args:
        config: what was asked.
        begun: told the run's folder.
        resume: folder of such a run, to be gone on with.
    """
    config.check()
    read = _read(config, images.find_images(config.source))
    sources, params, masks, init = read.sources, read.params, read.masks, starting_picture(config)

    def prepare(config: SynthesizeCommand) -> Job:
        return prepared(sources, config, params, masks)

    config, job = fitted(read.config, params, read.sizes, prepare, resume)
    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        how: dict[str, Any] = {"masks": masks, "init": init, "job": job}
        return texture.synthesize(sources, config, params=params, **how, on_step=on_step, resume=position())

    def score(_: Path, results: list[Result]) -> Iterator[tuple[Any, str]]:
        for found in _scored(read, [np.asarray(result.value) for result in results]):
            yield found, one_line(found)

    scoring = score if config.evaluate else None
    return run("synthesize", config, config.count, work, scoring, begun, resume, **read.facts)


def animate(config: AnimateCommand, resume: Path | None = None) -> int:
    """`subjective animate`: the frames of a loop, as PNG and as files that play; arguments as of `synthesize`."""
    config.check()
    for kind in config.formats:
        if not can_write(kind):
            say(f"note: no {kind} will be written; pip install 'subjective[video]' for it")
    if config.keyframes or config.frame_weights is not None:  # said here already, for config.json
        config = dataclasses.replace(config, join_mode=config.join_mode or TURNED_BY)
    files = [file for name in config.keyframes for file in _one(name)] or images.find_images(config.source)
    read = _read(config, files)
    sources, params, masks, init = read.sources, read.params, read.masks, starting_picture(config)
    shares = None
    if config.keyframes:
        shares = around(config.count, len(config.keyframes), config.ease)
    elif config.frame_weights is not None:
        shares = read_weights(config.frame_weights, config.count, len(sources))
        read.facts["frame_weights"] = shares.round(6).tolist()
        read.facts["pictures"].append(picture_record(Path(config.frame_weights), "frame weights"))

    def prepare(config: AnimateCommand) -> Job:
        return prepared_animation(sources, config, params, shares, masks)

    check_moves(sources, read.config.moves, 1)
    config, job = fitted(read.config, params, read.sizes, prepare, resume)
    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        how: dict[str, Any] = {"weights": shares, "masks": masks, "init": init, "job": job}
        return [texture.animate(sources, config, params=params, **how, on_step=on_step, resume=position())]

    def score(folder: Path, results: list[Result]) -> Iterator[tuple[Any, str]]:
        frames = np.asarray(results[0].value)
        kinds = [kind for kind in config.formats if can_write(kind)]
        found: dict[str, Any] = {"loops": write_videos(folder, "loop", frames, config.fps, kinds)}
        if config.evaluate:
            moved = motion(frames, params)
            images.write_bytes(folder / "motion.png", plot(frames, moved))
            found["motion"] = {name: given.as_json() for name, given in moved.items()}
            found["frames"] = _frames_scored(read, frames, shares)
        yield found, _in_words(found)

    return run("animate", config, config.count, work, score, announce, resume, **read.facts)


def _one(name: str) -> list[Path]:
    """The file that a keyframe is."""
    found = images.find_images([name])
    if len(found) > 1:
        raise ValueError(f"--keyframes: {name!r} stands for {len(found)} pictures; give each keyframe as one file")
    return found


def _in_words(found: dict[str, Any]) -> str:
    """What was measured of a loop, for the terminal."""
    words = [f"written: {', '.join(found['loops'])}"] if found["loops"] else []
    for name, given in found.get("motion", {}).items():
        words.append(
            f"{name}: to the next frame {given['mean']:.3g} ± {given['spread']:.2g}, around the end "
            f"{given['around_the_end']:.3g}, flicker {given['flicker']:.2g} (0 steady, 1.73 no relation)"
        )
    scores = found.get("frames", [])
    if scores and not isinstance(scores[0], str):
        mean = {name: {"score": float(np.mean([score[name]["score"] for score in scores]))} for name in scores[0]}
        words.append(f"frames on average, {one_line(mean)}")
    elif scores:
        words.append(scores[0])
    return "\n".join(words)


def novelty(config: NoveltyCommand, resume: Path | None = None) -> int:
    """`subjective novelty`: pictures unlike each other, out of nothing; arguments as of `synthesize`."""
    config.check()
    _, params, origin = load_params(config)
    config = plan.with_octaves(config, params)
    plan.check_size("the picture", config.size, plan.analysis_of(config, params), params)
    init = starting_picture(config)
    config, job = fitted(config, params, (), lambda config: prepared_novelty(config, params), resume)
    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        return [texture.invent(config, params=params, init=init, job=job, on_step=on_step, resume=position())]

    return run("novelty", config, config.together, work, None, announce, resume, weights=origin)
