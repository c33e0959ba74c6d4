"""What `help` says of a class of settings."""

import copy
import dataclasses
import inspect
import pickle
import pydoc

import pytest

import subjective
from subjective.checks import InputError

CONFIGS = sorted(name for name in dir(subjective) if name.endswith("Config"))


@pytest.mark.parametrize("name", CONFIGS)
def test_help_names_every_setting_with_its_type_its_default_and_what_it_does(name):
    kind = getattr(subjective, name)
    entries = [
        line.split(":")[0].strip() for line in kind.__doc__.splitlines() if line.startswith("    ") and " = " in line
    ]
    assert sorted(set(entries)) == sorted(field.name for field in dataclasses.fields(kind))
    assert list(inspect.signature(kind).parameters) == [field.name for field in dataclasses.fields(kind)]
    shown = pydoc.render_doc(kind, renderer=pydoc.plaintext).partition("Method resolution order")[0]
    assert "Annotated" not in shown  # what only the command line's parser reads


def test_help_speaks_of_settings_and_not_of_flags():
    text = subjective.SynthesisConfig.__doc__
    assert "layers: tuple[str, ...] = (" in text
    assert "`layers`" in text
    assert "--layers" not in text
    assert "gram" in text
    assert "{statistics}" not in text


def test_a_subclass_of_ones_own_has_its_own_settings_in_the_help():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Mine(subjective.SynthesisConfig):
        """Mine."""

    assert Mine.__doc__ == "Mine."
    assert inspect.signature(Mine).parameters["output_width"].default == 512


@pytest.mark.parametrize("make", [subjective.SynthesisConfig, lambda **changes: subjective.preset("fast", **changes)])
def test_a_misspelt_setting_is_refused_with_a_guess(make):
    with pytest.raises(InputError, match=r"no setting 'outputwidth'; did you mean output_width\?"):
        make(outputwidth=256)
    with pytest.raises(TypeError, match=r"no setting 'zzz'; help\(subjective.SynthesisConfig\) lists the settings"):
        make(zzz=1)


def test_configs_are_copied_and_pickled():
    config = subjective.SynthesisConfig(output_width=64)
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config
