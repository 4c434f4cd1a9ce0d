"""A person's own configuration file over a shipped one, composed by Hydra.

The file's ``defaults`` name the shipped configuration, or another file beside it that does: so the
boxes of a ward may share one. The shipped name always means the shipped file, whatever the person's
own file is called.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hydra import compose, initialize_config_dir, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fl_common.configuration.messages import words_of
from fl_common.configuration.overrides import check_choice, readable
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.search_path import use_plugins
from fl_common.plugins.texts import texts_as_written, with_texts


def composed(
    shipped: str, file: Path | None, overrides: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The resolved values of ``conf/{shipped}.yaml``, under ``file``, under ``overrides``.

    Also the shipped values alone, not resolved, which show what keys there are.

    Raises:
        InvalidConfiguration: a file is missing, is not YAML or does not compose.
    """
    overrides = with_texts(readable(overrides))
    use_plugins()
    for override in overrides:
        check_choice(override)
    plain = OmegaConf.create()
    try:
        with texts_as_written(), initialize_config_module("conf", version_base="1.3"):
            plain = compose(shipped)
            own = None if file else compose(shipped, list(overrides))
        config = _own(shipped, file, overrides) if file else own
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except RecursionError:
        remedy = f"Let one of the files under defaults begin with {shipped}"
        raise InvalidConfiguration(
            f"configuration {file}", "names itself under defaults", remedy
        ) from None
    except yaml.YAMLError as error:
        raise _not_yaml(error, file) from error
    except UnicodeDecodeError as error:
        rule = f"is not in UTF-8 ({error.reason} at byte {error.start + 1})"
        raise InvalidConfiguration(f"configuration {file}", rule, "Save it as UTF-8") from error
    except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
        words = words_of(error, OmegaConf.to_container(plain))  # type: ignore[arg-type]
        name = file or f"conf/{shipped}.yaml"
        raise InvalidConfiguration(
            f"configuration {name}", words, f"See conf/{shipped}.yaml for every key"
        ) from error
    assert isinstance(values, dict)
    known = OmegaConf.to_container(plain)
    assert isinstance(known, dict)
    if file and set(known) - set(values) and "defaults" not in OmegaConf.load(file):
        raise InvalidConfiguration(
            f"configuration {file}",
            "has no defaults, and so no values but its own",
            f"Let it begin with defaults: [{shipped}, _self_]",
        )
    return {str(key): value for key, value in values.items()}, known  # type: ignore[return-value]


def _not_yaml(error: yaml.YAMLError, file: Path | None) -> InvalidConfiguration:
    """What to tell of a file that is not YAML: ``file``, or one that it names under defaults."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    named = Path(mark.name) if mark else file
    if file is not None and named is not None and named.stem in {file.stem, f"your-{file.stem}"}:
        named = file  # which is read from a copy
    elif file is not None and named is not None and not named.exists():
        named = file.absolute().parent / named.name
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return InvalidConfiguration(
        f"configuration {named}",
        f"is not YAML{place}: {problem}",
        "Compare the indentation, colons, quotes and brackets there with the lines around",
    )


def _own(shipped: str, file: Path, overrides: Sequence[str]) -> DictConfig:
    """Composed in a folder of its own: the shipped file comes before those beside ``file``.

    Of the folders beside it only those with names of ours have options: to Hydra, any would be a
    group, and a folder ``home`` would forbid the key ``home``.
    """
    if not file.is_file():
        raise InvalidConfiguration(f"--config={file}", "is not a file", "Give a YAML file")
    name = f"your-{shipped}" if file.stem == shipped else file.stem
    with TemporaryDirectory(prefix="configuration-") as folder:
        Path(folder, f"{shipped}.yaml").write_bytes(
            files("conf").joinpath(f"{shipped}.yaml").read_bytes()
        )
        Path(folder, f"{name}.yaml").write_bytes(file.read_bytes())
        for path in _beside(file):
            if not Path(folder, path.name).exists():
                Path(folder, path.name).symlink_to(path)
        with texts_as_written(), initialize_config_dir(folder, version_base="1.3"):
            return compose(name, overrides=["hydra.searchpath=[pkg://conf]", *overrides])


def _beside(file: Path) -> list[Path]:
    """The files and folders beside ``file`` that its defaults may name."""
    groups = {entry.name for entry in files("conf").iterdir() if entry.is_dir()}
    try:
        found = list(file.absolute().parent.iterdir())
    except OSError:
        return []
    return [path for path in found if path.suffix == ".yaml" or path.name in groups]
