"""Code that all commands that make pictures share: fit a run into memory, then keep its results and scores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from subjective.checks import InputError, file_errors, setting
from subjective.cli.arguments import record, render_error
from subjective.evaluation.scores import add_version
from subjective.network.vgg import Params
from subjective.optimize import lbfgsb
from subjective.optimize.minimizer import Result
from subjective.runs.folder import PictureFolder, new_folder
from subjective.runs.memory import allowed_bytes
from subjective.runs.preflight import fit_to_memory
from subjective.runs.progress import PictureProgress, note, write_line
from subjective.runs.provenance import CONFIG_FILE, changed_files, read_record
from subjective.runs.session import Session
from subjective.synthesis.coarse_to_fine import Position
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.problem import Job
from subjective.synthesis.starts import INITS

PictureCommand = Any
"""Options that are both `PictureOptions` and `PictureConfig`; a Python annotation cannot say so."""


def fit(
    options: PictureCommand,
    params: Params,
    sizes: Sequence[tuple[int, int]],
    prepare: Callable[[Any], Job],
    resume: Path | None,
) -> tuple[PictureCommand, Job]:
    """Choose tiles and optimizer so that the run fits into memory, and prepare the job.

    A resumed run keeps the tiles and the optimizer that its folder records. Notes go to stderr.

    Args:
        options: options of the command, with the number of octaves chosen.
        params: parameters of the network.
        sizes: (height, width) of each source.
        prepare: makes the job for given options.
        resume: the folder of the run that is resumed, if any.

    Returns:
        The options with tiles and optimizer chosen, and the job.
    """
    if resume is not None:
        return options, prepare(options)
    if options.optimizer_name != options.preferred_optimizer:
        note(f"note: using --optimizer {options.optimizer_name}, because {lbfgsb.unavailable()}")
    limit = allowed_bytes(options.memory_limit)
    if not options.dry_run:  # first, because compiling would be in vain if nothing can be written
        with file_errors("make", options.output_dir):
            Path(options.output_dir).mkdir(parents=True, exist_ok=True)
    options, job = fit_to_memory(options, params, sizes, prepare, limit, note)
    for line in job.notes:
        note(f"note: {render_error(line, type(options))}")
    return options, job


class PictureSession(Session):
    """The session of a run that makes pictures. The run folder records the settings, and the scores at the end.

    Attributes:
        path: the run folder.
    """

    def __init__(
        self,
        command: str,
        options: PictureCommand,
        job: Job,
        facts: dict[str, Any],
        resume: Path | None = None,
        *,
        asked: dict[str, Any] | None = None,
        begun: Callable[[Path], None] | None = None,
    ):
        """Make the run folder, or open the folder of the run that is resumed.

        Args:
            command: name of the command.
            options: options of the command.
            job: the job that the run will do.
            facts: what ``config.json`` holds besides the settings: the files that were read, and the network.
            resume: the folder of the run that is resumed, if any.
            asked: values that the user gave for settings, recorded instead of the computed values in ``options``.
            begun: called with the path of the folder; None for `announce`.

        Raises:
            InputError: the run is resumed, and files that it reads have changed.
        """
        _check_files(options.config, facts, resume)
        self.path = resume or new_folder(Path(options.output_dir), options.output_prefix)
        together = options.pictures_per_step
        self._folder = PictureFolder(
            self.path,
            pictures=job.pictures * together,
            save_every=options.save_every,
            checkpoint_every=options.checkpoint_every,
        )
        (begun or announce)(self.path)
        progress = PictureProgress(_steps_of(options), job.pictures, starts=job.starts)
        super().__init__(self._folder, [progress], lambda error: render_error(error, type(options)))
        self._resumes, self._size = resume is not None, options.output_size
        changes = {"weights": facts["weights"]["use"], **(asked or {})}
        if options.init not in INITS:
            changes["init"] = str(Path(options.init).absolute())
        self._description = (command, record(options, **changes), facts)

    def begin(self) -> Position | None:
        """Write ``config.json`` for a new run, and reserve room on the disk.

        Returns:
            The position at which a resumed run continues; None for a new run, or without a checkpoint. The caller must
            not keep the position, whose arrays fill as much memory as the run itself.
        """
        if not self._resumes:
            command, settings, facts = self._description
            self._folder.describe(command, settings, **facts)
        self._folder.reserve(self._size)
        return self._folder.resume() if self._resumes else None

    def finish(self, result: list[Result]) -> None:
        """See `Session.finish`; then say on stderr how each picture's optimization ended."""
        super().finish(result)
        for one in result:
            effort = f"{one.steps} steps, {one.evaluations} evaluations"
            write_line(sys.stderr, f"loss {one.loss:.6g} after {effort}: {one.message}")

    @property
    def result_names(self) -> list[str]:
        """Names of the files of a finished run's pictures."""
        return self._folder.result_names

    def score(self, measure: Callable[[], tuple[list[dict[str, Any]], str]]) -> None:
        """Measure the pictures, add the scores to ``summary.json``, and print the scores on stderr.

        Args:
            measure: measures the pictures. Returns what ``summary.json`` says about the scores of each entry of its
                ``pictures``, and the same in words.
        """
        write_line(sys.stderr, "measuring ...")
        scores, words = measure()
        self._folder.add_scores([add_version(each) for each in scores])
        write_line(sys.stderr, words.rstrip("\n"))


def announce(path: Path) -> None:
    """Write the path of a folder or file to stdout."""
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()


def _steps_of(options: PictureConfig) -> Callable[[tuple[int, ...]], int]:
    """Return a function that takes (height, width) of a stage's picture, without margin, and returns its most steps."""
    return lambda shown: options.steps(options.size if tuple(shown) == options.output_size else shown)


def _check_files(config: str | None, facts: dict[str, Any], resume: Path | None) -> None:
    """Print a note on files that have changed since ``config`` was written; refuse to resume if files have changed."""
    if config is not None:
        for name in changed_files(read_record(config), facts):
            note(f"note: {name} has changed since {config!r} was written")
    if resume is not None:
        for name in changed_files(read_record(resume / CONFIG_FILE), facts):
            raise InputError(
                f"cannot resume {str(resume)!r}: {name} has changed since the run started; start a new run with "
                f"{setting('config')}"
            )
