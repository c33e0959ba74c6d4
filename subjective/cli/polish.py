"""`subjective apply --polish`: improve what a network has made by some steps on the picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subjective.checks import InputError, setting
from subjective.cli import synthesize, transfer
from subjective.cli.commands.networks import ApplyCommand
from subjective.cli.commands.pictures import SynthesizeCommand, TransferCommand
from subjective.feedforward.network_file import TrainedNetwork
from subjective.images import find_images

SHARED = ("out", "force", "quiet", "verbose", "memory_limit")
"""Options of `apply` that the run takes over."""


def check_sources(options: ApplyCommand, network: TrainedNetwork) -> None:
    """Refuse sources that cannot be those of the network.

    Raises:
        InputError: there is no source, or there are not as many as the network was trained on.
    """
    wanted = network.architecture.sources
    names = ", ".join(str(one.get("name")) for one in network.facts.get("sources", [])) or f"{wanted} pictures"
    if not options.source:
        raise InputError(
            f"{setting('polish')} compares with the pictures that the network was trained on ({names}); name them "
            f"with {setting('source')}"
        )
    if len(options.source) != wanted:
        got = f"{setting('source')} names {len(options.source)}, and the network was trained on {wanted} ({names})"
        raise InputError(f"{got}; name as many, in this order")
    find_images(options.source)


def plan_texture(
    options: ApplyCommand, network: TrainedNetwork, blend: Sequence[float], size: tuple[int, int], drawn: Path
) -> SynthesizeCommand:
    """Return the options of the run that polishes a texture.

    Args:
        options: options of `apply`.
        network: the network.
        blend: share of each source.
        size: (height, width) of the texture.
        drawn: the file of what the network drew.
    """
    chosen = [(source, share) for source, share in zip(options.source, blend, strict=True) if share > 0]
    return SynthesizeCommand(
        **_shared(options, network, drawn, size),
        source=tuple(source for source, _ in chosen),
        source_weights=tuple(share for _, share in chosen),
        enough=0.0,
    )


def plan_painting(
    options: ApplyCommand, network: TrainedNetwork, content: Path, size: tuple[int, int], painted: Path
) -> TransferCommand:
    """Return the options of the run that polishes a repainted picture; arguments as in `plan_texture`.

    Args:
        options: options of `apply`.
        network: the network.
        content: the file of the picture that was repainted.
        size: (height, width) of the repainted picture.
        painted: its file.
    """
    return TransferCommand(**_shared(options, network, painted, size), content=str(content), source=options.source)


def _shared(options: ApplyCommand, network: TrainedNetwork, made: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Return the options that both kinds of run have."""
    settings = network.facts.get("settings", {})
    return {
        **{name: getattr(options, name) for name in SHARED},
        "init": str(made),
        "schedule": "plain",
        "max_iter": options.polish,
        "output_height": size[0],
        "output_width": size[1],
        "output_prefix": made.stem,
        "source_width": settings.get("source_width"),
        "source_scale": settings.get("source_scale"),
    }


def run(options: SynthesizeCommand | TransferCommand) -> int:
    """Make the steps in a run of its own, and return its exit status."""
    command = synthesize if isinstance(options, SynthesizeCommand) else transfer
    return command.run(options)
