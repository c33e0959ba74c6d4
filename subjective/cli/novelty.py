"""`subjective novelty`: make pictures without a source; their statistics differ from each other as much as possible."""

from __future__ import annotations

import time
from pathlib import Path

from subjective.cli.commands.pictures import NoveltyCommand
from subjective.cli.inputs import describe_plugins, read_network, read_start
from subjective.cli.outputs import check_out, copy_pictures
from subjective.cli.pictures import PictureSession, check_files, plan_run
from subjective.synthesis import coarse_to_fine, novelty
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job


def run(options: NoveltyCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    began = time.monotonic()
    check_out(options, count=options.pictures_per_step, resume=resume)
    network = read_network(options, raw=options.raw_weights)
    options = make_plan(options, network.params).config
    init, pictures = read_start(options)
    facts = {**describe_plugins(options), "weights": network.facts, **({"pictures": pictures} if pictures else {})}
    check_files(options.config, facts, resume)

    def prepare(options: NoveltyCommand) -> Job:
        return novelty.prepare(options, network.params, init)

    planned = plan_run(options, network.params, (), prepare, resume, began)
    if planned is None:
        return 0
    with PictureSession("novelty", planned, facts, resume) as session:
        session.finish(coarse_to_fine.run(planned.job, session.on_step, session.begin(), session.schedule))
        if options.out is not None:
            copy_pictures(session.result_files, options.out, force=options.force, resume=resume)
    return session.status
