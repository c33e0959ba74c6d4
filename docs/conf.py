"""Build the pages of this repository as a site. The command stands in CONTRIBUTING.md.

The root of the sources is the repository and not `docs/`: so the links and pictures of a page are the same on the site
and on a code host. Warnings are errors, and each reference must resolve.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_site")]
# The tutorials run `subjective` and import the package, as it is in this checkout.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a warning of the kernel's debugger, which nobody uses here

from nbclient import NotebookClient  # noqa: E402

import subjective  # noqa: E402

NotebookClient.startup_timeout.default_value = 600  # beside other programs, a kernel begins late

project = "subjective"
author = "the subjective authors"
project_copyright = "2026, the subjective authors"
release = version = subjective.__version__

root_doc = "docs/index"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**", "experiments/*.md", "weights/README.md"]
exclude_patterns = ["build", ".venv*", "outputs", "subjective", "tests"]
source_suffix = {".md": "myst-nb"}

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "equations",
    "command_pages",
    "public_names",
]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 900
nb_merge_streams = True
nb_output_stderr = "remove"  # notes and warnings of a run; an error ends the build

nitpicky = True
default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_custom_sections = ["Departure from the 2017 program"]

html_theme = "pydata_sphinx_theme"
html_title = "subjective"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_extra_path = ["_site/index.html"]
html_theme_options = {
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "search_as_you_type": True,
    "pygments_light_style": "default",
}
copybutton_exclude = ".linenos, .gp, .go"
