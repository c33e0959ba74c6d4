"""Hold the reference of the Python names to the package: none is missing, and each name in a text exists."""

import ast
import builtins
import dataclasses
import functools
import importlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

import subjective
from subjective.checks import type_hints
from subjective.descriptions import field_docs, grouped_fields

ROOT = Path(subjective.__file__).parent.parent
NO_NAME = re.compile(r"subjective |SHA256SUMS$|.*\.(py|json|md)$")
"""Commands and files, which docstrings set between backticks too."""

logger = logging.getLogger(__name__)


def is_settings(found):
    """Whether a thing is a class of settings."""
    return isinstance(found, type) and dataclasses.is_dataclass(found) and hasattr(found, "group")


def shorten(app, what, name, found, options, signature, returned):
    """Leave the settings out of the signature of their class: the list below has each with its type and default."""
    return ("(**settings)", None) if is_settings(found) else None


def list_settings(app, what, name, found, options, lines):
    """Replace the plain text that `help` shows of a class of settings by a list of the same settings."""
    if not is_settings(found):
        return
    end = next(place for place, line in enumerate(lines) if line.startswith("Every setting is a keyword."))
    texts, hints = field_docs(found), type_hints(found)
    made = [*lines[: end + 1], ""]
    for group, fields in grouped_fields(found).items():
        made += [f"**{group[0].upper()}{group[1:]}**", ""]
        for field in fields:
            kind = getattr(hints[field.name], "__name__", None) if isinstance(hints[field.name], type) else None
            kind = kind or str(hints[field.name]).replace("typing.", "").replace("subjective.choices.", "")
            text = texts.get(field.name, "").replace("*", "\\*").replace("`", "``").replace("|", "\\|")
            made += [f"``{field.name}``: ``{kind} = {field.default!r}``", f"    {text}", ""]
    lines[:] = made


@functools.cache
def package_names():
    """Return every name that a module or a class of the package defines, alone and after its module's or class's."""
    found = set()
    for path in (Path(subjective.__file__).parent).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        holders = [(path.parent.name if path.stem == "__init__" else path.stem, tree.body)]
        holders += [(node.name, node.body) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found |= {path.stem, dotted}
        for holder, body in holders:
            for node in body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
                names = {getattr(each, "id", getattr(each, "name", None)) for each in targets} - {None}
                found |= names | {f"{holder}.{name}" for name in names} | {f"{dotted}.{name}" for name in names}
    return found


def resolve(app, env, node, contnode):
    """Set a name that exists, but has no entry on a page, as code; other names stay missing, which is an error."""
    if node.get("refdomain") != "py":
        return None
    target, documented = node["reftarget"], env.domains["py"].objects
    entry = documented.get(f"subjective.{target.rpartition('.')[2]}")
    if entry is not None and target.startswith("subjective."):
        uri = app.builder.get_relative_uri(node.get("refdoc", ""), entry.docname)
        return nodes.reference("", "", contnode, internal=True, refuri=f"{uri}#{entry.node_id}")
    known = target in package_names() or exists_elsewhere(target) or NO_NAME.match(target)
    return contnode if known else None


def exists_elsewhere(target):
    """Whether a name is one of Python's own, or leads to a thing in a library."""
    first, *parts = target.split(".")
    try:
        found = getattr(builtins, first) if hasattr(builtins, first) else importlib.import_module(first)
        for part in parts:
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def check(app, env):
    """Warn of each public name that has no entry."""
    documented = env.domains["py"].objects
    for name in subjective.__all__:
        if not name.startswith("__") and f"subjective.{name}" not in documented:
            logger.warning("the public name %s has no entry in docs/reference/python.md", name)


def setup(app):
    """Connect the checks."""
    app.connect("autodoc-process-docstring", list_settings, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", shorten)
    app.connect("missing-reference", resolve)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
