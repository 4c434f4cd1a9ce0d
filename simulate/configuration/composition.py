"""From overrides to a configuration, without Hydra's application.

Hydra's own ``compose`` uses process-wide state, which another Hydra application may be using. Its
loader does not; that name is private to hydra 1.3, and a contract test checks that both give the
same result.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fl_common.configuration.keys import check_added
from fl_common.configuration.messages import words_of
from fl_common.configuration.overrides import readable, value_of
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.search_path import PluginFolders
from simulate.configuration.known import check_parts, group_choices
from simulate.home import Home

HELP = "List every value with: python -m simulate --cfg job"
"""The remedy of every override that can't be applied."""


def configure(*overrides: str) -> DictConfig:
    """The configuration of a run, with ``overrides`` as on the command line.

    ``configure("task=activity", "privacy.epsilon=4", "rounds=3")`` chooses and sets what ``python
    -m simulate task=activity privacy.epsilon=4 rounds=3`` does. The result is OmegaConf's:
    ``config.rounds`` reads a value, ``config.rounds = 5`` sets one, and a name that does not exist
    is refused. With ``resume=FOLDER`` it is the configuration of the run in that folder.

    Raises:
        InvalidConfiguration: an override that can't be applied, or ``FOLDER`` has no run.
    """
    folder, rest = without_resume(readable(overrides))
    if folder is not None:
        return resumed(folder, rest)
    check_added(rest, known_values)
    return _compose(rest)


def without_resume(overrides: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The folder of the run to resume, if ``overrides`` name one, and those beside it."""
    rest = [text for text in overrides if not text.startswith("resume=")]
    folders = [value_of(text) for text in overrides if text.startswith("resume=")]
    named = folders[-1] if folders else None
    return (None if named in ("", None) else Path(str(named))), rest


def resumed(folder: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration for resuming the run in ``folder``.

    Raises:
        InvalidConfiguration: no run is there, or ``overrides`` are given for one that was begun
            with a configuration of its own.
    """
    origin = Home(folder).read_record().origin
    if origin.configuration is None:
        config = _compose([*origin.overrides, *overrides])
    else:
        rounds = _rounds_alone(folder, overrides)
        config = OmegaConf.create({**origin.configuration, **rounds})
    config.resume = str(folder)
    return config


def kept_values(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """``values``, or those of the run to resume if a program began it.

    Raises:
        InvalidConfiguration: ``overrides`` are given beside that run.
    """
    if not values["resume"]:
        return values
    folder = Path(values["resume"])
    origin = Home(folder).read_record().origin
    if origin.configuration is None:
        return values
    _, rest = without_resume(overrides)
    return {**origin.configuration, **_rounds_alone(folder, rest), "resume": str(folder)}


def _rounds_alone(folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The ``rounds`` among ``overrides`` for a run that keeps its whole configuration, if given.

    Raises:
        InvalidConfiguration: something else is among them.
    """
    if others := [text for text in overrides if not text.startswith("rounds=")]:
        raise InvalidConfiguration(
            " ".join(others),
            f"can't be applied to {folder}: a program began that run, with a configuration that"
            " is kept there",
            "Give resume alone, or with more rounds",
        )
    return {"rounds": value_of(overrides[-1])} if overrides else {}


def resolved(config: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    """``config`` as plain values, interpolations resolved.

    Raises:
        InvalidConfiguration: not a whole configuration, or an interpolation that can't be resolved.
    """
    try:
        node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
        values = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise InvalidConfiguration("the configuration", _line(error), HELP) from error
    assert isinstance(values, dict)
    if missing := sorted({str(key) for key in _compose([])} - values.keys()):
        raise InvalidConfiguration(
            "the configuration", f"has no {', '.join(missing)}", "Begin with simulate.configure()"
        )
    check_parts(values)
    return {str(key): value for key, value in values.items()}


def _compose(overrides: Sequence[str]) -> DictConfig:
    loader = ConfigLoaderImpl(_search_path())
    try:
        config = loader.load_configuration("config", list(overrides), RunMode.RUN, from_shell=False)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        words = words_of(error, known_values(overrides))
        raise InvalidConfiguration(" ".join(overrides), words, HELP) from error
    with open_dict(config):
        del config["hydra"]
    return config


def told(error: Exception, overrides: Sequence[str]) -> str:
    """What Hydra says of ``overrides``, in one line, and the remedy."""
    return f"{words_of(error, known_values(overrides))}. {HELP}"


def known_values(overrides: Sequence[str]) -> dict[str, Any]:
    """The values, not resolved, under the groups that ``overrides`` choose.

    Empty where a group has no such option.
    """
    loader = ConfigLoaderImpl(_search_path())
    chosen = group_choices(overrides)
    try:
        config = loader.load_configuration("config", chosen, RunMode.RUN, from_shell=False)
    except (HydraException, OmegaConfBaseException, ValueError):
        return {}
    values = OmegaConf.to_container(config)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _search_path() -> ConfigSearchPath:
    """Our options, then those of installed plugins; no plugin is registered with Hydra here."""
    path = create_config_search_path("pkg://conf")
    if PluginFolders not in Plugins.instance().discover(PluginFolders):
        schema = path.get_path().pop()
        PluginFolders().manipulate_search_path(path)
        path.get_path().append(schema)
    return path


def _line(error: Exception) -> str:
    """The library's message in one line, with the cause if there is one."""
    words = f"{error} {error.__cause__ or ''}"
    return " ".join(words.split()).rstrip(".")
