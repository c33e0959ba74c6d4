"""`subjective example`: copy pictures that come with the package, to try the other commands on."""

from __future__ import annotations

import difflib
import filecmp
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from subjective.checks import InputError, setting
from subjective.cli.commands.tools import ExampleCommand
from subjective.cli.outputs import write_out
from subjective.network.weights import embedded_dir
from subjective.terminal import say


def run(options: ExampleCommand) -> int:
    """Run the command. A file that exists is never replaced."""
    found = find_examples()
    if not options.names:
        say("textures and photographs that come with the package; subjective example NAME... copies some:")
        sys.stdout.write("".join(f"{name}\n" for name in found))
        return 0
    chosen = [found[name] for name in _choose(options.names, found)]
    folder = Path(options.folder)
    for file in chosen:
        copy = folder / file.name
        if os.path.lexists(copy) and not (copy.is_file() and filecmp.cmp(file, copy, shallow=False)):
            raise InputError(f"{str(copy)!r} is there already and is another picture; give another {setting('folder')}")
        write_out(copy, file.read_bytes(), force=False)
    return 0


def find_examples() -> dict[str, Path]:
    """Return the pictures that come with the package, by name: textures, photographs and paintings."""
    here = Path(__file__).parents[1]  # the folder `subjective`
    textures = here / "_textures" if (here / "_textures").is_dir() else here.parent / "experiments" / "sources"
    files = [*(embedded_dir() / "photographs").glob("*.jpg"), *textures.glob("*.jpg")]
    return dict(sorted({file.stem: file for file in files}.items()))


def find_networks() -> list[str]:
    """Return the names of the trained networks that come with the package."""
    return sorted(file.stem for file in (embedded_dir() / "networks").glob("*.safetensors"))


def _choose(names: Sequence[str], found: Mapping[str, Path]) -> list[str]:
    """Return the names of pictures that are asked for.

    Raises:
        InputError: there is no picture of a name.
    """
    if "all" in names:
        return list(found)
    for name in names:
        if name not in found:
            near = difflib.get_close_matches(name, found, 1)
            guess = f"did you mean {near[0]}?" if near else f"wanted {', '.join(found)} or all"
            raise InputError(f"no picture {name!r} comes with the package; {guess}")
    return list(dict.fromkeys(names))
