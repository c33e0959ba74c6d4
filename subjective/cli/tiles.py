"""`subjective tiles`: make a complete set of tiles, to be laid on a plane that never repeats."""

from __future__ import annotations

import filecmp
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, check_weights, setting
from subjective.cli.commands.planes import TilesCommand
from subjective.cli.inputs import describe_plugins, read_network, read_start
from subjective.cli.outputs import list_inputs, refuse_outside
from subjective.cli.pictures import PictureSession, check_files, forecast_end, plan_run
from subjective.cli.report import Judge
from subjective.evaluation.laying import measure_plane, plane_size
from subjective.evaluation.scores import report
from subjective.files import locked_folder, sweep
from subjective.images import find_images
from subjective.planes.corners import TileSet, lay_window
from subjective.planes.tile_files import SHEET_FILE, save_tiles
from subjective.runs.provenance import describe_file
from subjective.synthesis import coarse_to_fine, wang
from subjective.synthesis.forecast import Phase
from subjective.synthesis.layout import choose_first_stage
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, sizes_of
from subjective.terminal import announce

FOLDER = "tiles"
"""Name of the folder in a run folder that holds the tiles."""


def run(options: TilesCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    began = time.monotonic()
    check_out_folder(options, resume)
    files = find_images(options.source)
    check_weights("source_weights", options.source_weights, len(files), "source")
    network = read_network(options, raw=options.raw_weights)
    sources, params = [options.read_source(file) for file in files], network.params
    init, of_start = read_start(options)
    pictures = [describe_file(file, "source") for file in files]
    facts = {**describe_plugins(options), "pictures": pictures + of_start, "weights": network.facts}
    options = choose_first_stage(options, sources, has_layouts=init is None)
    names = [f"source {str(file)!r}" for file in files]
    options = make_plan(options, params, sizes_of(sources), picture="the sheet of all tiles", names=names).config
    check_files(options.config, facts, resume)

    def prepare(options: TilesCommand) -> Job:
        return wang.prepare(sources, options, params, init)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        return forecast_end(sources, options, 1 if options.evaluate else 0, pixel_seconds)

    planned = plan_run(options, params, sizes_of(sources), prepare, resume, began, phases_after)
    if planned is None:
        return 0
    options, job = planned.options, planned.job

    judge = Judge(job.scored, network.judge, job.analysis.layers, options.source_weights, tiles=True)

    with PictureSession("tiles", planned, facts, resume, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin(), session.schedule)
        session.finish(results)
        sheet = np.clip(np.asarray(results[0].value), 0, 1)
        found = wang.tiles_of(sheet, options.colors)
        save_tiles(found, session.path / FOLDER)
        if options.out is not None:
            announce(save_tiles(found, options.out)[-1])
        session.score(lambda: _score(found, sheet, judge, options))
    return session.status


def check_out_folder(options: TilesCommand, resume: Path | None) -> None:
    """Refuse a folder for the tiles that cannot be made, that holds other files, or from which the command reads.

    A resumed run may have written the folder already.

    Raises:
        InputError: it is a file, it cannot be made, it holds other files and ``--force`` is not given, a file in it is
            read, or only the record of a run from elsewhere names it.
    """
    if options.out is None:
        return
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{setting('out')} is {options.out!r}, which is a file; wanted a folder for the tiles")
    if locked := locked_folder(out):
        raise InputError(f"{setting('out')} is {options.out!r}, and nothing can be written in {str(locked)!r}")
    if any(file.resolve().parent == out.resolve() for file in list_inputs(options)):
        raise InputError(f"{setting('out')} is {options.out!r}, and this very command reads a file in it; name another")
    if options.force:
        return
    if resume is not None:
        refuse_outside([out], resume)
    sweep(out)  # what a killed process has left
    if out.is_dir() and os.listdir(out) and not (resume is not None and _is_same(out, resume / FOLDER)):
        raise InputError(f"{options.out!r} holds files already; give another name, or {setting('force')}")


def _is_same(out: Path, made: Path) -> bool:
    """Return whether two folders have the same sheet, which is written first."""
    one, other = out / SHEET_FILE, made / SHEET_FILE
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _score(found: TileSet, sheet: np.ndarray, judge: Judge, options: TilesCommand) -> tuple[list[dict[str, Any]], str]:
    """Return what ``summary.json`` says about the tiles, and the same in words."""
    plane = lay_window(found, plane_size(found.side), options.seed)
    measured = measure_plane(plane, found.sheet, found.side)
    scores: dict[str, Any] = {"plane": measured._asdict()}
    words = f"{measured}\n"
    if options.evaluate:
        of_sheet = judge.score(sheet)
        scores = of_sheet.to_json() | scores
        words += report({"the sheet of all tiles": of_sheet})
    return [scores], words
