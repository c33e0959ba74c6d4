"""The maps of a material: their kinds, the names that files have, and how the channels of all maps lie side by side.

A material is several pictures of one surface. Colors have three channels. A normal has two, x and y in [0, 1]; z
follows from them (`subjective.materials.normals`). All other maps have one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from subjective.checks import InputError, describe

Convention = Literal["opengl", "directx"]
"""Whether y of a normal points up (opengl) or down (directx) in the picture."""


class Kind(NamedTuple):
    """A kind of map.

    Attributes:
        channels: number of channels that are optimized.
        names: names that files have, in small letters and without separators.
    """

    channels: int
    names: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "albedo": Kind(3, ("albedo", "basecolor", "basecolour", "diffuse", "diff", "color", "colour", "col", "base")),
    "normal": Kind(
        2, ("normal", "normals", "normalmap", "nor", "nrm", "norm", "normalgl", "normaldx", "norgl", "nordx")
    ),
    "height": Kind(1, ("height", "heightmap", "displacement", "disp", "depth", "bump")),
    "roughness": Kind(1, ("roughness", "rough", "rgh")),
    "gloss": Kind(1, ("gloss", "glossiness", "smoothness", "smooth")),
    "metallic": Kind(1, ("metallic", "metalness", "metal", "met")),
    "ao": Kind(1, ("ao", "ambientocclusion", "occlusion", "occ")),
    "specular": Kind(3, ("specular", "spec", "reflection")),
    "opacity": Kind(1, ("opacity", "alpha", "transparency")),
    "emissive": Kind(3, ("emissive", "emission", "emit", "glow")),
}
"""All kinds of maps, in the order in which their channels lie side by side."""

PACKS: dict[str, tuple[str, str, str]] = {
    "orm": ("ao", "roughness", "metallic"),
    "arm": ("ao", "roughness", "metallic"),
    "rma": ("roughness", "metallic", "ao"),
    "mra": ("metallic", "roughness", "ao"),
}
"""Pictures whose red, green and blue are three maps: the kinds, by the name of the pack."""

CONVENTIONS: dict[str, Convention] = {
    "gl": "opengl",
    "opengl": "opengl",
    "normalgl": "opengl",
    "norgl": "opengl",
    "dx": "directx",
    "directx": "directx",
    "normaldx": "directx",
    "nordx": "directx",
}
"""Words in the names of normals that say where y points."""

_KIND_OF = {name: kind for kind, (_, names) in KINDS.items() for name in names} | {name: name for name in PACKS}


class Named(NamedTuple):
    """What the name of a file says.

    Attributes:
        kind: a name of `KINDS` or of `PACKS`.
        convention: where y of a normal points; None if the name does not say.
    """

    kind: str
    convention: Convention | None = None


def words_of(stem: str) -> list[str]:
    """Split the stem of a file's name into words in small letters: at separators, and where CamelCase begins a word."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", stem)
    return [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]


def read_name(stem: str) -> Named | None:
    """Find the kind of map that the stem of a file's name says, such as ``rock_nor_gl_1k``; None if it says none.

    The last word counts that is the name of a kind, alone or with the word before.
    """
    words = words_of(stem)
    convention = next((CONVENTIONS[word] for word in reversed(words) if word in CONVENTIONS), None)
    for place in reversed(range(len(words))):
        for name in ("".join(words[max(place - 1, 0) : place + 1]), words[place]):
            if name in _KIND_OF:
                kind = _KIND_OF[name]
                return Named(kind, convention if kind == "normal" else None)
    return None


def read_kind(text: str) -> Named:
    """Find the kind that a person names, such as ``basecolor`` or ``nor_gl``.

    Raises:
        InputError: there is no such kind.
    """
    found = read_name(text)
    if found is None:
        near = difflib.get_close_matches(text.lower(), [*_KIND_OF], 1)
        guess = f"did you mean {near[0]}?" if near else f"wanted {', '.join([*KINDS, *PACKS])}"
        raise InputError(f"there is no map called {describe(text)}; {guess}")
    return found


def name_files(stems: Sequence[str]) -> list[Named | None]:
    """Find the kind of each of several files of one material by the stems of their names.

    The file whose whole name begins the names of others, such as ``rock`` beside ``rock_normal``, is the albedo, if
    no other file is.
    """
    found = [read_name(stem) for stem in stems]
    bases = [
        number
        for number, stem in enumerate(stems)
        if any(other != stem and re.match(re.escape(stem) + r"[^a-zA-Z0-9]", other) for other in stems)
    ]
    has_albedo = any(name is not None and name.kind == "albedo" for name in found)
    if len(bases) == 1 and not has_albedo:
        found[bases[0]] = Named("albedo")
    return found


def order_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return kinds in the order of `KINDS`."""
    return tuple(kind for kind in KINDS if kind in kinds)


def channels_of(kinds: Sequence[str]) -> tuple[int, ...]:
    """Return the number of channels of each kind."""
    return tuple(KINDS[kind].channels for kind in kinds)


def place_channels(kinds: Sequence[str]) -> dict[str, slice]:
    """Return where the channels of each map lie in the channels of all maps."""
    places, begin = {}, 0
    for kind in kinds:
        end = begin + KINDS[kind].channels
        places[kind] = slice(begin, end)
        begin = end
    return places
