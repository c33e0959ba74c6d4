"""`subjective material`: make new materials of several linked maps."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, setting
from subjective.cli.commands.materials import MaterialCommand
from subjective.cli.commands.pictures import SynthesizeCommand
from subjective.cli.inputs import describe_plugins, read_network
from subjective.cli.outputs import refuse_existing, refuse_outside, write_out
from subjective.cli.pictures import PictureSession, check_files, forecast_end, plan_run
from subjective.cli.report import Judge
from subjective.evaluation.alignment import measure_alignment, report_alignment
from subjective.evaluation.scores import report
from subjective.files import find_shared, locked_folder, write_bytes
from subjective.images import encode_image, find_images
from subjective.materials.files import MapFile, find_maps, plan_files, read_files
from subjective.materials.maps import Convention
from subjective.runs.pictures import draw_material
from subjective.runs.provenance import describe_file
from subjective.runs.result_files import MaterialFiles
from subjective.synthesis import coarse_to_fine
from subjective.synthesis.enough import ends_when_near
from subjective.synthesis.forecast import Phase
from subjective.synthesis.layout import choose_first_stage
from subjective.synthesis.material import complete_maps, join_maps, prepare, split_maps
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job
from subjective.terminal import note

SHEET = "sheet"
"""Stem of the picture that shows the maps of source and result, and both under a light."""

Maps = Mapping[str, np.ndarray]


def run(options: MaterialCommand, resume: Path | None = None, begun: Callable[[Path], None] | None = None) -> int:
    """Run the command; arguments as in `subjective.cli.synthesize.run`."""
    began = time.monotonic()
    given = find_maps(options.source)
    planes, read = read_files(given, options.maps, options.source_scale)
    kinds, convention = tuple(planes), _find_convention(read)
    suffix = None if options.format is None else f".{options.format}"
    flips_y = options.normal_y == "flip"
    files = plan_files(read, kinds, options.depth, suffix, flips_y=flips_y, pack=options.pack)
    _check_out(options, files, [path for path, _ in given], resume)
    source = join_maps(planes)
    network = read_network(options, raw=options.raw_weights)
    params, size = network.params, (source.shape[0], source.shape[1])
    facts = {
        **describe_plugins(options),
        "pictures": [describe_file(path, named.kind) for path, named in given],
        "weights": network.facts,
    }
    options = dataclasses.replace(options, maps=kinds)
    options = choose_first_stage(options, [source[:, :, :3]])
    options = make_plan(options, params, [size], names=["the material"]).config
    check_files(options.config, facts, resume)

    def prepare_job(options: MaterialCommand) -> Job:
        return prepare(source, kinds, options, params)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        scored = options.count if options.evaluate else 0
        return forecast_end([source[:, :, :3]], options, scored, pixel_seconds / options.passes)

    near = ends_when_near(options, 1)
    planned = plan_run(options, params, [size], prepare_job, resume, began, phases_after, ends_near=near)
    if planned is None:
        return 0
    options, job = planned.options, planned.job

    def split(value: np.ndarray) -> dict[str, np.ndarray]:
        return split_maps(complete_maps(value, source, kinds, options), kinds)

    written = MaterialFiles(files, split, flips_y)

    tiles, layers = options.padding_mode == "circular", job.analysis.layers
    judge = Judge([one[:, :, :3] for one in job.scored], network.judge, layers, tiles=tiles)

    with PictureSession("material", planned, facts, resume, begun=begun, files=written, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin(), session.schedule)
        session.finish(results)
        of_source = split_maps(source, kinds)
        made = [split(np.asarray(result.value)) for result in results]
        names = [""] if len(made) == 1 else [f"-{number:03d}" for number in range(len(made))]
        for number, maps in zip(names, made, strict=True):
            sheet = draw_material(of_source, maps, convention)
            stem = f"{SHEET}-of-maps" if any(file.path.stem == SHEET for file in files) else SHEET
            write_bytes(session.path / f"{stem}{number}.png", encode_image(sheet, ".png"))
        if options.out is not None:
            for file in session.result_files:
                target = Path(options.out) / file.name
                write_out(target, file.read_bytes(), force=options.force, made=file, resume=resume)
        if options.evaluate:
            titles = [f"albedo{number}" for number in names]
            session.score(lambda: _score(made, of_source, judge, titles))
    return session.status


def of_texture(options: SynthesizeCommand) -> MaterialCommand:
    """Return the options with which `subjective material` makes a texture and its maps (``synthesize --map``).

    Raises:
        InputError: there are several sources, or a material has none of what an option is for.
    """
    known = {field.name for field in dataclasses.fields(MaterialCommand)} - {"source"}
    shared = {}
    for field in dataclasses.fields(SynthesizeCommand):
        value = getattr(options, field.name)
        if field.name in known:
            shared[field.name] = value
        elif value != field.default and field.name not in ("source", "map"):
            raise InputError(f"{setting(field.name)} is not for a material, which {setting('map')} asks for")
    files = find_images(options.source)
    if len(files) > 1:
        raise InputError(f"{setting('map')} is for one source, whose surface the maps show; got {len(files)} sources")
    made = MaterialCommand(source=(f"albedo={files[0]}", *options.map), **shared)
    made.check()
    made.check_files()
    return made


def _find_convention(files: Sequence[MapFile]) -> Convention:
    """Return where y of the normals points; say on stderr if nothing tells."""
    found: list[MapFile] = [file for file in files if file.kinds == ("normal",)]
    if found and found[0].convention is None:
        note(f"note: nothing tells whether y of {found[0].path.name} points up or down; it is drawn as OpenGL's")
    return (found[0].convention if found else None) or "opengl"


def _check_out(options: MaterialCommand, files: Sequence[MapFile], inputs: Sequence[Path], resume: Path | None) -> None:
    """Refuse a folder for the maps that cannot be written, or files in it that are read or would be replaced.

    Raises:
        InputError: see above.
    """
    if options.out is None:
        return
    folder = Path(options.out)
    shared = find_shared([folder / file.name for file in files], inputs)
    if shared is not None:
        raise InputError(f"{str(shared)!r} is read by this very command; give another folder")
    if resume is not None and not options.force:
        refuse_outside([folder / file.name for file in files], resume)
    if resume is None and options.count == 1:
        for file in files:
            refuse_existing(folder / file.name, force=options.force)
    if locked := locked_folder(folder):
        raise InputError(f"{setting('out')} is {options.out!r}, and nothing can be written in {str(locked)!r}")


def _score(made: Sequence[Maps], source: Maps, judge: Judge, names: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Return what ``summary.json`` says about each material, and the same in words."""
    found = [judge.score(maps["albedo"]) for maps in made]
    aligned = [measure_alignment(maps, source) for maps in made]
    entries = [
        scores.to_json() | {"alignment": {kind: one.to_json() for kind, one in alignment.items()}}
        for scores, alignment in zip(found, aligned, strict=True)
    ]
    words = [report(dict(zip(names, found, strict=True))), report_alignment(aligned)]
    return entries, "\n".join(part for part in words if part)
