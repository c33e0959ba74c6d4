"""The jobs of a run whose weights change on the way: which job counts at which step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from subjective.checks import InputError
from subjective.synthesis.problem import Job, never_enough
from subjective.synthesis.reweigh import Change, apply_changes, read_changes, to_changes


class Schedule:
    """What a run's job is at each step.

    A job with other weights is prepared anew by its verb, from the same sources: its targets, its loss and its layout
    are those of a run that has these weights from the beginning. What does not depend on weights stays, such as the
    stages and their sizes. Only the newest job is kept.

    Attributes:
        changes: the changes in the order of their steps, those that are still to come included.
    """

    def __init__(self, job: Job):
        """Begin with the changes that the job's config names."""
        self._first = job
        self.changes: list[Change] = read_changes(job.config.reweigh)
        self._newest: tuple[tuple[Change, ...], Job] = ((), job)

    def before(self, picture: int, step: int) -> Job:
        """Return the job whose loss led to a step: no change after this step or a later one counts."""
        return self._job([change for change in self.changes if change.place < (picture, step)])

    def after(self, picture: int, step: int) -> Job | None:
        """Return the job that counts after a step; None if nothing changes at this step."""
        if not self.at(picture, step):
            return None
        return self._job([change for change in self.changes if change.place <= (picture, step)])

    def at(self, picture: int, step: int) -> list[Change]:
        """Return the changes after a step."""
        return [change for change in self.changes if change.place == (picture, step)]

    def add(self, picture: int, step: int, weights: Mapping[str, Sequence[float]]) -> list[Change]:
        """Change weights after the step that a run has just made.

        Args:
            picture: number of the picture.
            step: number of the step.
            weights: the new weights by the name of the setting.

        Returns:
            The changes that were added.

        Raises:
            InputError: the weights do not fit; nothing is changed then.
        """
        before, added = self.changes, to_changes(picture, step, weights)
        self.changes = read_changes([str(change) for change in (*before, *added)])
        try:
            self.after(picture, step)
        except InputError:
            self.changes = before
            raise
        return added

    def _job(self, changes: Sequence[Change]) -> Job:
        counted = tuple(changes)
        if not counted:
            return self._first
        if counted != self._newest[0]:
            if self._first.prepare is None:
                raise InputError("the weights of this run cannot be changed")
            config = apply_changes(self._first.config, counted)
            changed = self._first.prepare(config)
            # A minimization whose loss has changed never ends as near enough; one that is resumed must not either.
            self._newest = (counted, dataclasses.replace(changed, enough=never_enough))
        return self._newest[1]
