"""Find the maps of a material among the files of its run, for the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from subjective.materials.maps import KINDS, Named, read_name


def list_maps(folder: Path, config: dict[str, Any], summary: dict[str, Any]) -> list[dict[str, Any]]:
    """List the maps of each material of a run.

    Args:
        folder: folder of the run.
        config: content of its ``config.json``.
        summary: content of its ``summary.json``.

    Returns:
        For each material ``files``, which has ``name`` and ``version`` of a file by the kind of map, and
        ``convention``, where y of the normals points. Files that hold several maps are left out. Empty if the run makes
        no material.
    """
    made = summary.get("pictures")
    if config.get("command") != "material" or not isinstance(made, list):
        return []
    read: Any = config.get("pictures")
    known = {Path(one["name"]).stem: str(one["use"]) for one in read or [] if isinstance(one, dict) and "name" in one}
    return [_list_files(folder, one.get("files") or [], known) for one in made if isinstance(one, dict)]


def _list_files(folder: Path, names: list[Any], known: dict[str, str]) -> dict[str, Any]:
    files, convention = {}, "opengl"
    for name in names:
        stem = re.sub(r"-\d{3}$", "", Path(str(name)).stem)
        told = read_name(stem)
        found = Named(known[stem], told.convention if told else None) if stem in known else told
        try:
            version = (folder / str(name)).lstat().st_mtime_ns
        except OSError:
            continue
        if found is None or found.kind not in KINDS:
            continue
        files[found.kind] = {"name": str(name), "version": f"{version:x}"}
        convention = found.convention or convention
    return {"files": files, "convention": convention}
