"""House rules, read from the code itself."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import subjective

PACKAGE = Path(subjective.__file__).parent

# A module imports only from stages before its own; modules of one stage do not know each other.
STAGES = [
    ["version", "interruption", "memory", "remarks"],
    ["formats.layout", "formats.safe_pickle"],
    ["formats.native", "formats.arrays", "formats.torch"],
    ["formats.keras", "formats.onnx"],
    ["formats"],
    ["images", "weights"],
    ["compilation", "fetch"],
    ["colors", "pyramid", "two_pass", "devices"],
    ["winograd"],
    ["strips"],
    ["convolution"],
    ["vgg"],
    ["guides"],
    ["statistics.protocol"],
    ["statistics.blocks"],
    [
        "statistics.content",
        "statistics.gram",
        "statistics.grid",
        "statistics.lags",
        "statistics.sliced",
        "statistics.shifted",
    ],
    ["statistics.moments", "statistics.analysis", "windows"],
    ["tiles"],
    ["statistics"],
    ["contact_sheet", "measures", "motion", "preconditioning", "stages", "videos"],
    ["joins"],
    ["normalization"],
    ["losses"],
    ["frames"],
    ["morph", "objectives"],
    ["optimizers.protocol"],
    ["optimizers.lbfgsb", "optimizers.lbfgs", "optimizers.adam", "optimizers.preconditioned"],
    ["optimizers"],
    ["optimize"],
    ["position"],
    ["compute_config", "flags"],
    ["picture_config"],
    ["config"],
    ["presets"],
    ["plan", "command_config"],
    ["init"],
    ["targets"],
    ["job"],
    ["progression"],
    ["synthesis"],
    ["preflight", "checkpoints"],
    ["runs"],
    ["progress"],
    ["crops"],
    ["looks"],
    ["criteria"],
    ["evaluate"],
    ["evaluation_commands", "weight_commands"],
    ["making"],
    ["commands", "transfer_command"],
    ["sweep"],
    [
        "feedforward.blocks",
        "feedforward.curves",
        "feedforward.settings",
        "feedforward.photographs",
        "feedforward.video",
    ],
    ["feedforward.networks", "feedforward.objective", "feedforward.command_config"],
    ["feedforward.training"],
    ["feedforward.strips", "feedforward.trainer", "feedforward.network_file"],
    ["feedforward.training_run", "feedforward.progress", "feedforward.export"],
    ["feedforward.commands", "feedforward.apply_command"],
    ["feedforward"],
    ["cli"],
    ["__init__"],
    ["__main__"],
]


def module_names():
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names.append(".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts))
    return [name for name in names if not name.startswith("_weights")]


def path_of(name):
    path = PACKAGE / name.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_of(name):
    """Modules of this package that a module imports, wherever in it the import stands."""
    known, found = set(module_names()), set()
    for node in ast.walk(ast.parse(path_of(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("subjective.") for alias in node.names if alias.name.startswith("subjective")
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "subjective":
            base = node.module.removeprefix("subjective").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                found.add(inner if inner in known else base)
    return {module for module in found if module}


def stage_of(name):
    return next(number for number, stage in enumerate(STAGES) if name in stage)


def test_every_module_has_its_stage():
    assert sorted(module_names()) == sorted(name for stage in STAGES for name in stage)


@pytest.mark.parametrize("name", module_names())
def test_a_module_imports_only_from_stages_before_it(name):
    for imported in imports_of(name):
        assert stage_of(imported) < stage_of(name), f"{name} imports {imported}"


@pytest.mark.parametrize("name", module_names())
def test_a_module_is_one_concept_of_at_most_300_lines(name):
    assert len(path_of(name).read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", [name for name in module_names() if name != "__main__"])
def test_every_public_name_is_documented(name):
    module = importlib.import_module("subjective" if name == "__init__" else f"subjective.{name}")
    assert module.__doc__
    for public, value in vars(module).items():
        if public.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{name}.{public}"


@pytest.mark.parametrize("name", [name for name in subjective.__all__ if inspect.isfunction(getattr(subjective, name))])
def test_a_public_functions_docstring_names_each_argument(name):
    function = inspect.unwrap(getattr(subjective, name))
    if name in ("gaussian_pyramid", "laplacian_pyramid", "gram"):  # a sentence says it all
        return
    documentation = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter}:" in documentation, f"{name}: {parameter}"


def test_only_the_ends_have_effects():
    """Files, the clock and the terminal belong to the first and the last stages."""
    pure = [
        "colors",
        "pyramid",
        "winograd",
        "convolution",
        "vgg",
        "tiles",
        "windows",
        "two_pass",
        "statistics",
        "joins",
        "losses",
        "config",
        "compute_config",
        "presets",
        "init",
        "job",
        "position",
        "synthesis",
    ]
    pure += [
        f"feedforward.{name}"
        for name in ("blocks", "networks", "settings", "objective", "training", "trainer", "curves")
    ]
    pure += ["measures", "crops", "looks", "criteria", "evaluate", "stages", "plan"] + [
        name for name in module_names() if "statistics." in name
    ]
    for name in pure:
        for node in ast.walk(ast.parse(path_of(name).read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [(node.module or "").partition(".")[0]]
            assert not {"os", "sys", "time", "pathlib", "io"} & set(modules), name
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in ("open", "print"), name


def test_what_is_public_is_there():
    for name in subjective.__all__:
        assert hasattr(subjective, name)
    assert len(list(pkgutil.iter_modules([str(PACKAGE)]))) > 10


def test_the_readme_has_no_gaps_and_its_pictures_are_there():
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    assert "@@" not in readme
    for picture in re.findall(r"\]\((experiments/[^)]+)\)", readme):
        assert (PACKAGE.parent / picture).is_file(), picture
