"""The directive ``{commands}``: every command with all its flags, read from the program's own help."""

import os
import re

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from subjective.cli.commands.table import COMMANDS, list_kinds
from subjective.cli.help import help_text

WORD = re.compile(r"(--[a-z][a-z0-9-]*|`[^`]+`)")


def with_literals(text):
    """Return a line as nodes, in which flags and words between backticks are set as code."""
    return [
        nodes.literal(part, part.strip("`")) if WORD.fullmatch(part) else nodes.Text(part)
        for part in WORD.split(text)
        if part
    ]


def paragraph(text):
    """Return a paragraph."""
    return nodes.paragraph("", "", *with_literals(text))


def entries(lines):
    """Return (names, text) of each flag. The names of a flag are indented by 2, its text by 6."""
    found = []
    for line in lines:
        if line.startswith("      "):
            found[-1][1].append(line.strip())
        else:
            found.append((line.strip(), []))
    return [(names, " ".join(text)) for names, text in found]


def definitions(lines):
    """Return a list of flags, each with what it does."""
    items = [
        nodes.definition_list_item(
            "", nodes.term("", "", nodes.literal(names, names)), nodes.definition("", paragraph(text))
        )
        for names, text in entries(lines)
    ]
    return nodes.definition_list("", *items)


def describe(name, kind):
    """Return the section about a command."""
    usage, about, *sections = help_text(kind, name).strip("\n").split("\n\n")
    title = f"subjective {name}"
    section = nodes.section("", nodes.title("", title), ids=[title.replace(" ", "-")], names=[title])
    section += paragraph(" ".join(about.split()))
    section += nodes.literal_block(usage, usage.removeprefix("usage: "), language="text")
    for block in sections:
        lines = block.split("\n")
        if lines[0].startswith("  "):  # words without a flag
            section += definitions(lines)
        elif lines[0] != "these first:":  # these come again in their groups
            section += nodes.rubric("", lines[0].rstrip(":"))
            section += definitions(lines[1:])
    return section


class Commands(SphinxDirective):
    """Write all commands."""

    def run(self):
        """Return a section for each command and each subcommand."""
        os.environ["COLUMNS"] = "110"
        made = []
        for command, entry in COMMANDS.items():
            for word, kind in list_kinds(command).items():
                made.append(describe(f"{command} {word}" if entry.subcommands else command, kind))
        return made


def setup(app):
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
