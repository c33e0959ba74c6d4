"""Write formulas as MathML, which browsers show without a script: the site needs no network."""

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.errors import ExtensionError


def to_mathml(text, *, as_block):
    """Return a formula as MathML; an error names the formula."""
    try:
        return latex2mathml.tex2mathml(text, as_block=as_block)
    except MathError as error:
        raise ExtensionError(f"{error} in the formula {text!r}") from None


def write_inline(writer, node):
    """Write a formula within a line."""
    writer.body.append(to_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def write_block(writer, node):
    """Write a formula on lines of its own; ``&`` aligns the lines."""
    text = node.astext().strip()
    if ("&" in text or "\\\\" in text) and "\\begin" not in text:
        text = f"\\begin{{aligned}}{text}\\end{{aligned}}"
    writer.body.append(f'<div class="math">{to_mathml(text, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Register the writer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
