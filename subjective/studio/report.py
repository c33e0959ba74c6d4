"""Write runs as one HTML file with its pictures inside. The file holds no script, and loads nothing."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from subjective.checks import InputError, file_errors
from subjective.decoding import read_picture, to_rgb
from subjective.evaluation.scores import format_score
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.trace import read_json
from subjective.runs.traced_folder import SUMMARY_FILE
from subjective.studio import pictures
from subjective.studio.chart import draw_loss
from subjective.studio.runs_index import describe, list_pictures, object_of
from subjective.studio.trace_columns import Traces, finite
from subjective.terminal import format_duration

SIDE = 1024
"""Longest side of a picture in the file, in pixels. Smaller pictures are kept as they are."""

MOST_PICTURES = 6
"""Most pictures of a run that the file shows."""

STYLE = """
:root { color-scheme: light dark; --ground: light-dark(#ececec, #191919); --panel: light-dark(#f8f8f8, #222);
  --line: light-dark(#d0d0d0, #363636); --muted: light-dark(#575757, #a6a6a6); --text: light-dark(#1c1c1c, #e6e6e6); }
body { margin: 0 auto; max-width: 1120px; padding: 20px; background: var(--ground); color: var(--text);
  font: 14px/1.5 system-ui, sans-serif; }
article { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 14px 18px; }
article + article { margin-top: 16px; }
h1 { font-size: 20px; } h2 { font-size: 17px; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: 12px; text-transform: uppercase; letter-spacing: .05em; color: var(--muted); margin: 16px 0 4px; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; margin: 12px 0; }
figure { margin: 0; flex: 1 1 280px; max-width: 512px; } img { width: 100%; display: block; image-rendering: auto; }
figcaption, .muted { color: var(--muted); font-size: 13px; }
table { border-collapse: collapse; } td, th { text-align: left; padding: 1px 18px 1px 0; font-weight: 400;
  vertical-align: top; overflow-wrap: anywhere; } td { font-variant-numeric: tabular-nums; }
code { background: var(--ground); padding: 6px 8px; border-radius: 4px; display: block; overflow-wrap: anywhere; }
th { white-space: nowrap; }
svg { width: 100%; max-width: 640px; height: auto; } svg text { fill: var(--muted); font: 11px system-ui; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 0 28px; }
"""


def write_report(runs: Sequence[Path]) -> str:
    """Return the HTML of some runs.

    Args:
        runs: the run folders.

    Raises:
        FileError: a folder cannot be read.
    """
    articles = []
    for folder in runs:
        with file_errors("read", folder):
            articles.append(_write_run(folder))
    body = "\n".join(articles)
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)} – subjective</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"style-src 'unsafe-inline'\"><style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _write_run(folder: Path) -> str:
    config, summary = (read_json(folder / name) or {} for name in (CONFIG_FILE, SUMMARY_FILE))
    entry = describe(folder.name, folder)
    seconds = finite(entry["seconds"])
    facts = [entry["command"], entry["status"], entry["started"]]
    facts += [] if seconds is None else [format_duration(seconds)]
    said = [entry["reason"], entry["sentence"], entry["message"]]
    parts = [
        f"<h2>{_text(folder.name)}</h2>",
        f'<div class="muted">{_text(" · ".join(fact for fact in facts if fact))}</div>',
        f"<div>{_text('; '.join(one for one in said if one))}</div>",
        f'<div class="pictures">{"".join(_figures(folder, config))}</div>',
        _show_loss(Traces().columns(folder)),
    ]
    typed = config.get("command_line")
    if isinstance(typed, str):
        parts.append(f"<h3>Command</h3><code>{_text(_name_files(typed))}</code>")
    scores, settings = _score_rows(summary), [(key, _value(value)) for key, value in entry["settings"].items()]
    columns = [_table("Scores (1 is as close as a crop of the source)", scores), _table("Settings", settings)]
    parts.append(f'<div class="columns">{"".join(columns)}</div>')
    return f"<article>{''.join(part for part in parts if part)}</article>"


def _figures(folder: Path, config: dict[str, Any]) -> Iterable[str]:
    """Yield the results, a first result beside itself, and the sources. What cannot be read is left out."""
    found = list_pictures(folder)
    shown = [one["name"] for one in found if one["kind"] == "result"]
    shown += [one["name"] for one in found if one["kind"] == "other"]
    if not shown:
        shown = [one["name"] for one in found if one["kind"] == "step"][-1:]
    for place, name in enumerate(shown[:MOST_PICTURES]):
        with contextlib.suppress(InputError, OSError):
            picture = to_rgb(name, read_picture(folder / name))
            yield _figure(picture, f"{name}, {picture.width} × {picture.height}")
            if place == 0 and name.startswith(("result", "step")):
                yield _figure(_repeat(picture), "2 × 2: does it tile?")
    for source in pictures.list_sources(config)[:MOST_PICTURES]:
        with contextlib.suppress(InputError, OSError):
            data = pictures.show_source(source, *pictures.find_scale(source, config))
            yield _figure(Pillow.open(io.BytesIO(data)), f"{source['use']} {source['name']}")


def _repeat(picture: Pillow.Image) -> Pillow.Image:
    small = picture.copy()
    small.thumbnail((SIDE // 2, SIDE // 2))
    sheet = Pillow.new("RGB", (2 * small.width, 2 * small.height))
    for place in range(4):
        sheet.paste(small, (place % 2 * small.width, place // 2 * small.height))
    return sheet


def _figure(picture: Pillow.Image, caption: str) -> str:
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=92, subsampling=0)
    code = base64.b64encode(data.getvalue()).decode("ascii")
    alt = _text(caption)
    image = f'<img alt="{alt}" src="data:image/jpeg;base64,{code}">'
    return f"<figure>{image}<figcaption>{alt}</figcaption></figure>"


def _show_loss(columns: dict[str, Any]) -> str:
    chart = draw_loss(columns["steps"], columns["series"].get("loss", []))
    return f"<h3>Loss</h3>{chart}" if chart else ""


def _score_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return name and score of each measure of the first picture."""
    made = summary.get("pictures")
    first = made[0] if isinstance(made, list) and made and isinstance(made[0], dict) else {}
    measures = object_of(object_of(first, "scores"), "measures")
    found = []
    for key in measures:
        measure = object_of(measures, key)
        score = finite(measure.get("score"))
        found.append((str(measure.get("name")), "–" if score is None else format_score(score)))
    return found


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<section><h3>{_text(title)}</h3><table>{lines}</table></section>"


def _value(value: Any) -> str:
    """Return a setting as text. Of a path, only the name is told: the file is sent to others."""
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith("/"):
        return Path(value).name
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def _name_files(typed: str) -> str:
    """Return a command with the names of files instead of their absolute paths."""
    try:
        words = shlex.split(typed)
    except ValueError:  # a quote without its other one
        words = typed.split()
    return shlex.join(re.sub(r"""(?:^|(?<=[="']))/.*/(?=[^/])""", "", word) for word in words)


def _text(value: str) -> str:
    return html.escape(value, quote=True)
