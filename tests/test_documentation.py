"""README.md, docs/ and experiments/: links resolve, commands parse, and the names in Python code exist."""

import ast
import dataclasses
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from helpers.pictures import ROOT

import subjective
from subjective.cli.arguments import parse
from subjective.cli.commands.table import options_class

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("experiments/*.md"))]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name_of(page):
    return str(page.relative_to(ROOT)) if isinstance(page, Path) else None


def blocks(page, language):
    """The code blocks of a page in one language."""
    return [code for kind, code in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def prose(page):
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(page):
    """The words of each `subjective COMMAND ...` in a page's shell blocks, and in its text between backticks."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    lines += [code for code in re.findall(r"`([^`\n]+)`", prose(page)) if code.startswith("subjective ")]
    for line in lines:
        words = shlex.split(re.sub(r"\$\([^)]*\)", "RUN/", line))  # the newest run's folder
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            one, words = words[:end], words[end + 1 :]
            while one and re.match(r"\w+=", one[0]):  # variables of the environment
                one = one[1:]
            if one and Path(one[0]).name == "subjective":
                yield one[1:]


COMMANDS = [pytest.param(words, id=f"{name_of(page)}: {' '.join(words)}") for page in PAGES for words in commands(page)]


MAKING = re.compile(
    r"subjective (synthesize|material|animate|transfer|novelty|train|sweep|apply|evaluate|batch|resume|tiles|lay|repair"
    r"|tileable|expand|enlarge|export) "
)
TIME = re.compile(r"\d+ (seconds?|minutes?|hours?)|(two|half an) (minutes|hour)|what was left")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_time_of_each_command_stands_beside_it(page):
    parts = re.split(r"(```\w*\n.*?```)", page.read_text(), flags=re.S)
    around = zip(parts, parts[1:], parts[2:], strict=False)
    said = {
        block: " ".join((before.strip().split("\n\n")[-1], after.strip().split("\n\n")[0]))
        for before, block, after in around
        if block.startswith("```sh") and MAKING.search(block)
    }
    assert [block for block, text in said.items() if not TIME.search(text)] == []


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_each_relative_link_resolves(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_the_readme_has_at_most_a_thousand_words():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1000


def test_the_citation_has_the_version_of_the_package():
    assert f"\nversion: {subjective.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name():
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. \w+:{1,2}(?:\w+::)? (\w+)$", page, re.MULTILINE)
    assert sorted(set(listed) - {"subjective"}) == [name for name in dir(subjective) if name != "__version__"]


@pytest.fixture
def recorded_run(here):
    """The folder `RUN`, in which a run of `subjective synthesize` is recorded."""
    record = {"command": "synthesize", "settings": {"source": ["rock.jpg"]}}
    (here / "RUN").mkdir()
    (here / "RUN" / "config.json").write_text(json.dumps(record))


@pytest.mark.usefixtures("recorded_run")
@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_parses(words):
    (Path.cwd() / "docs").symlink_to(ROOT / "docs")
    name, *rest = words
    if name == "COMMAND":  # any
        return
    if name == "weights":
        name, rest = " ".join(words[:2]), words[2:]
    kind = options_class(name)
    if rest and rest != ["--help"]:
        parse(kind, name, rest)


def exists(module, name):
    """Whether a module of the package has a name, or is a package with a module of that name."""
    found = importlib.import_module(module)
    is_package = hasattr(found, "__path__")
    return hasattr(found, name) or (is_package and importlib.util.find_spec(f"{module}.{name}") is not None)


def missing_names(code):
    """The names that some Python code takes from the package, and that are not there."""
    wanted = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "subjective":
            wanted += [(node.module, alias.name) for alias in node.names]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "subjective":
            wanted.append(("subjective", node.attr))
    return [f"{module}.{name}" for module, name in wanted if not exists(module, name)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_each_python_name_on_a_page_exists(page):
    assert not [name for block in blocks(page, "python") for name in missing_names(block)]


@pytest.mark.parametrize("script", sorted(ROOT.glob("experiments/*.py")), ids=name_of)
def test_each_name_in_an_experiment_exists(script):
    assert not missing_names(script.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_each_config_is_made_of_settings_that_there_are(page):
    """Calls of the configs, in blocks and in tables, with their own arguments."""
    configs = "AnimationConfig|MaterialConfig|NoveltyConfig|SynthesisConfig|TransferConfig"
    found = re.findall(rf"(?:subjective\.)?((?:{configs})\((?:[^()]|\([^()]*\))*\))", page.read_text(encoding="utf-8"))
    for call in found:
        public = {name: getattr(subjective, name) for name in dir(subjective)}
        eval(call, public, {"terms": ("gram",)})


def test_the_settings_of_the_paper_are_listed_as_they_are():
    page = (ROOT / "docs/method/index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(.*)` \| `(.*)` \|$", page, re.MULTILINE)
    configs = [subjective.preset(name) for name in ("default", "paper")]
    names = [field.name for field in dataclasses.fields(configs[0])]
    differ = [name for name in names if len({repr(getattr(config, name)) for config in configs}) == 2]
    assert sorted(name for name, *_ in rows) == sorted(differ)
    for name, *values in rows:
        found = [getattr(config, name) for config in configs]
        assert values == [" ".join(one) if isinstance(one, tuple) else str(one) for one in found], name
