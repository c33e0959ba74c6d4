"""House rules, read from the code itself."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.pictures import ROOT

import subjective
from subjective.optimize.registry import OPTIMIZERS
from subjective.synthesis.presets import PUBLISHED_SETTINGS

PACKAGE = Path(subjective.__file__).parent

# A package or module imports only from the lines above its own, and from what stands before it on its own line.
LAYERS = [
    ["imports", "version", "xla_flags", "choices", "checks", "arguments"],
    [
        "locks",
        "files",
        "terminal",
        "conversion",
        "decoding",
        "light",
        "deep",
        "encoding",
        "images",
        "materials",
        "videos",
        "planes",
        "means",
        "plugins",
        "pyramid",
        "colors",
        "compilation",
        "devices",
    ],
    ["network", "optimize"],
    ["statistics"],
    ["joins", "losses", "registration", "evaluation", "descriptions"],
    ["synthesis"],
    ["feedforward"],
    ["runs"],
    ["studio"],
    ["cli"],
    ["__init__"],
    ["__main__"],
]

LAZY = re.compile(r"subjective(\.\w+)+:\w+")
"""What a `subjective.imports.Table` imports when it is first looked up."""

PURE = ["choices", "means", "pyramid", "colors", "joins", "losses", "statistics", "synthesis", "optimize", "evaluation"]
"""No files, no clock, no terminal, but for `EFFECTS`."""

EFFECTS = {"optimize.minimizer": {"time"}, "synthesis.progress": {"sys"}}
"""The minimizer times its steps; the progress of a run is shown on stderr."""

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "_weights" not in path.parts
}


def room_of(module):
    """The package, or the module beside the packages, that a module is in."""
    return module.partition(".")[0]


def imports_of(module):
    """The modules of this package that a module imports, wherever in it the import stands, and their packages."""
    found = set()
    for node in ast.walk(parse_module(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and LAZY.fullmatch(node.value):
            found.add(node.value.partition(":")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("subjective")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "subjective":
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name.removeprefix("subjective.") in MODULES else node.module for name in inner}
    names = {name.removeprefix("subjective").removeprefix(".") for name in found}
    packages = {f"{name}.__init__" for each in names for name in parents_of(each)}
    return {name if name in MODULES else f"{name}.__init__" for name in names if name} | packages


def parse_module(module):
    """The code of a module; of the package's own module, the stub file, which says what is imported."""
    stub = MODULES[module].with_suffix(".pyi")
    return ast.parse((stub if stub.exists() else MODULES[module]).read_text(encoding="utf-8"))


def parents_of(name):
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def layer_of(module):
    return next(number for number, rooms in enumerate(LAYERS) if room_of(module) in rooms)


def test_every_room_has_its_layer():
    assert {room_of(module) for module in MODULES} == {room for rooms in LAYERS for room in rooms}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rooms_above_its_own(module):
    for imported in imports_of(module):
        here, there = room_of(module), room_of(imported)
        if here != there:
            order = LAYERS[layer_of(module)]
            beside = there in order and order.index(there) < order.index(here)
            assert layer_of(imported) < layer_of(module) or beside, f"{module} imports {imported}"


def test_no_modules_import_each_other_in_a_circle():
    left = {module: imports_of(module) for module in MODULES}
    while free := [module for module, wanted in left.items() if not wanted & left.keys()]:
        for module in free:
            del left[module]
    assert not left, f"these import each other: {left}"


@pytest.mark.slow
def test_every_module_can_be_imported_first():
    """Each without any other module of this package loaded before it."""
    names = [f"subjective.{module}".removesuffix(".__init__") for module in MODULES if module != "__main__"]
    program = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [each for each in sys.modules if each.partition(".")[0] == "subjective"]:
        del sys.modules[loaded]
    sys.modules["subjective"] = type(sys)("subjective")  # the package's own module would import all others
    sys.modules["subjective"].__path__ = [PATH]
    importlib.import_module(name)
"""
    program = program.replace("PATH", repr(str(PACKAGE)))
    found = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("module", [module for module in MODULES if module.endswith(".__init__")])
def test_a_package_s_own_module_holds_names_not_logic(module):
    for node in ast.parse(MODULES[module].read_text(encoding="utf-8")).body:
        assert isinstance(node, (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)), ast.unparse(node)


def test_no_package_hands_on_a_function_under_the_name_of_one_of_its_modules():
    for module in MODULES:
        package, _, name = module.rpartition(".")
        if name != "__init__" and package:
            exported = vars(importlib.import_module(f"subjective.{package}")).get(name)
            assert exported is None or inspect.ismodule(exported), module


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_one_concept(module):
    """Past 400 lines a module is split by concept."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__main__"])
def test_every_public_name_is_documented(module):
    loaded = importlib.import_module(f"subjective.{module}".removesuffix(".__init__"))
    assert loaded.__doc__
    for public, value in vars(loaded).items():
        if public.startswith("_") or getattr(value, "__module__", None) != loaded.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{module}.{public}"


@pytest.mark.parametrize("name", [name for name in subjective.__all__ if inspect.isfunction(getattr(subjective, name))])
def test_a_public_functions_docstring_names_each_argument(name):
    function = inspect.unwrap(getattr(subjective, name))
    if name in ("gaussian_pyramid", "laplacian_pyramid", "gram"):  # a sentence says it all
        return
    documentation = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter}:" in documentation, f"{name}: {parameter}"


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in PURE])
def test_only_the_ends_have_effects(module):
    """Files, the clock and the terminal belong to the first and the last rooms."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [(node.module or "").partition(".")[0]]
        assert not ({"os", "sys", "time", "pathlib", "io"} - EFFECTS.get(module, set())) & set(modules), module
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        assert called not in ("open", "print"), module


def test_what_is_public_is_there():
    assert dir(subjective) == sorted(subjective.__all__)
    for name in subjective.__all__:
        assert hasattr(subjective, name)
    with pytest.raises(AttributeError, match="no attribute 'sinthesize'"):
        _ = subjective.sinthesize


@pytest.mark.parametrize("table", [subjective.STATISTICS, OPTIMIZERS, PUBLISHED_SETTINGS])
def test_a_table_lists_names_and_finds_the_things_that_have_them(table):
    for name, thing in table.items():
        assert getattr(thing, "name", name) == name


def test_the_readmes_pictures_are_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for picture in re.findall(r"\]\((experiments/[^)]+)\)", readme):
        assert (ROOT / picture).is_file(), picture
