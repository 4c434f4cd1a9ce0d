"""``python -m simulate``: one federated run, or a sweep, from a Hydra configuration.

python -m simulate                                            the main job
python -m simulate task=activity data.root=DATA rounds=50     another task
python -m simulate --multirun privacy.epsilon=2,4,8 seed=0,1  a sweep
python -m simulate resume=outputs/2026-01-31/12-00-00         go on after an interruption
python -m simulate --cfg job                                  show the configuration
python -m simulate audit privacy.epsilon=2                    a lower bound on epsilon
python -m simulate baselines                                  was federating worth it?
python -m simulate egress                                     what leaves the sites
python -m simulate engine=live                                real nodes, watched as they predict
python -m simulate play broker.host=localhost                 recordings to boxes that run elsewhere
python -m simulate check FILE                                 what is in your own data
python -m simulate windows RECORDINGS --task FILE             windows of them, as a box cuts them
python -m simulate plugins                                    what other packages bring
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any

STARTED = time.monotonic()
os.environ["HYDRA_FULL_ERROR"] = "1"  # errors propagate to main(), which prints one line

# The environment must be set before any import of Flower or Hydra.
import hydra  # noqa: E402
from hydra.core.hydra_config import HydraConfig  # noqa: E402
from hydra.errors import HydraException  # noqa: E402
from hydra.types import RunMode  # noqa: E402
from omegaconf import DictConfig, OmegaConf  # noqa: E402
from omegaconf.errors import OmegaConfBaseException  # noqa: E402
from yaml import YAMLError  # noqa: E402

from fl_common.configuration.overrides import readable  # noqa: E402
from fl_common.errors import InvalidConfiguration, JoinTheDotsError  # noqa: E402
from fl_common.plugins.search_path import use_plugins  # noqa: E402
from fl_common.programs.command_line import end  # noqa: E402
from fl_common.programs.output import reader_may_leave  # noqa: E402
from fl_common.programs.own import check_not_hidden  # noqa: E402
from simulate.configuration.choices import check_choices  # noqa: E402
from simulate.configuration.composition import kept_values, told, without_resume  # noqa: E402
from simulate.configuration.known import check_parts  # noqa: E402
from simulate.configuration.requirements import check_run, check_world, is_live  # noqa: E402
from simulate.home import FEDERATED, Home, Origin, one_folder  # noqa: E402
from simulate.job.sweep import INTERRUPTED, Sweep  # noqa: E402


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def _job(config: DictConfig) -> None:
    from simulate.engines.live.command import live
    from simulate.report.console import Console, standard_output

    context = HydraConfig.get()
    sweeps = context.mode == RunMode.MULTIRUN
    member = _SWEEP.member(_home().folder) if sweeps else nullcontext()
    with member, _one_line_errors(), Console(brief=sweeps) as console:
        overrides, home = tuple(context.overrides.task), _home()
        values = kept_values(_values(config), overrides)
        check_run("fl-simulate", values, reports=True)
        from simulate.job.job import carry_out_in_own_process

        if sweeps and home.record.exists():
            values["resume"] = str(home.folder)

        def train(values: Mapping[str, Any]) -> None:
            sweep = Path(context.sweep.dir).absolute() if sweeps else None
            about = (home, console, Origin(overrides), STARTED, sweep)
            carry_out_in_own_process(values, *about)

        if is_live(values):
            _exit_if(live(values, home, standard_output(), train))
        else:
            train(values)


@hydra.main(version_base="1.3", config_path="../conf", config_name="audit")
def _audit(config: DictConfig) -> None:
    from simulate.report.console import standard_output

    with _one_line_errors():
        values = _values(config)
        check_run("fl-simulate audit", values, reports=False)
        from simulate.audit.command import audit

        _exit_if(audit(values, _home(), standard_output()))


@hydra.main(version_base="1.3", config_path="../conf", config_name="baselines")
def _baselines(config: DictConfig) -> None:
    from simulate.report.console import standard_output

    with _one_line_errors():
        values = _values(config)
        check_run("fl-simulate baselines", values, reports=True)
        from simulate.baselines.command import baselines

        given = HydraConfig.get().overrides.task
        baselines(values, _home().folder, given, standard_output(), STARTED)


@hydra.main(version_base="1.3", config_path="../conf", config_name="egress")
def _egress(config: DictConfig) -> None:
    from simulate.report.console import standard_output

    with _one_line_errors():
        values = _values(config)
        check_run("fl-simulate egress", values, reports=False)
        from simulate.egress.command import egress

        _exit_if(egress(values, _home(), standard_output()))


@hydra.main(version_base="1.3", config_path="../conf", config_name="play")
def _play(config: DictConfig) -> None:
    from simulate.engines.live.play import play

    with _one_line_errors():
        values = _values(config)
        check_world("fl-simulate play", values)
        play(values)


def _plugins() -> None:
    from fl_common.plugins.listing import listing

    text, works = listing()
    print(text)
    _exit_if(0 if works else JoinTheDotsError.exit_status)


def _on_data(command: str, words: Sequence[str]) -> None:
    from simulate.data.command import COMMANDS

    _exit_if(COMMANDS[command](words))


_COMMANDS: Mapping[str, Callable[[], None]] = {
    "audit": _audit,
    "baselines": _baselines,
    "egress": _egress,
    "play": _play,
    "plugins": _plugins,
}
"""Subcommands, by their word on the command line."""
_ON_DATA = ("check", "windows")
"""Subcommands on a person's own data; they come first and have arguments of their own."""
_WITH_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--info", "-i", "--experimental-rerun"),
    *("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
)
"""Hydra's options that take an argument."""
_SWEEP = Sweep()
"""That of this process, if it has one."""
_FOLDERS = ("hydra.run.dir=", "hydra.sweep.dir=", "hydra.sweep.subdir=")
"""Overrides that choose the outputs folder."""


@reader_may_leave()
def main() -> None:
    """The console script ``fl-simulate``; exits with 0, 1 (failed), 2 (bad input) or 130."""
    OmegaConf.register_new_resolver("first", _first, replace=True)
    OmegaConf.register_new_resolver("one_folder", one_folder, replace=True)
    with _one_line_errors():
        check_not_hidden("fl-simulate", "simulate")
        use_plugins()
        if sys.argv[1:2] and sys.argv[1] in _ON_DATA:
            _on_data(sys.argv[1], sys.argv[2:])
        else:
            _with_hydra(sys.argv[1:])


def _with_hydra(arguments: Sequence[str]) -> None:
    """A run, a sweep, or a subcommand whose values are a configuration of its own."""
    options, words = _sorted_words(arguments)
    sweeps = bool({"--multirun", "-m"} & set(options))
    overrides = readable(words, sweeps=sweeps)
    if command := next((word for word in overrides if word in _COMMANDS), None):
        overrides.remove(command)
        run = _COMMANDS[command]
    else:
        run = _job
    if run in (_job, _baselines):
        overrides = _with_resumed_overrides(overrides, sweeps, "" if run is _job else FEDERATED)
    check_choices(overrides)
    sys.argv[1:] = [*options, *overrides]
    run()
    _exit_if(_SWEEP.close())


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """End the program with a one-line message for every error that has a remedy.

    Also wraps the job: Hydra prints a traceback for exceptions that leave it, but not for an exit.
    """
    try:
        yield
    except JoinTheDotsError as error:
        if error.exit_status == InvalidConfiguration.exit_status and HydraConfig.initialized():
            _home().remove_if_unused()
        end(f"error: {error}", error.exit_status)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        end(f"error: {told(error, sys.argv[1:])}", InvalidConfiguration.exit_status)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        end(
            f"error: {place}{error.strerror or error}: the file or folder must be readable, and the"
            " outputs folder writable with room left. Free space, or set hydra.run.dir elsewhere.",
            InvalidConfiguration.exit_status,
        )
    except KeyboardInterrupt:
        end(f"Interrupted{_how_to_go_on()}.", INTERRUPTED)


def _how_to_go_on() -> str:
    """What is kept of an interrupted run or sweep, and how to continue it."""
    if not HydraConfig.initialized() or HydraConfig.get().runtime.output_dir is None:
        return ""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        sweep = quote(f"hydra.sweep.dir={HydraConfig.get().sweep.dir}")
        return f". Give the same command with {sweep} to go on with what is not finished"
    if Home(_home().folder / FEDERATED).record.exists():
        resumed = quote(f"resume={_home().folder}")
        return f". What is finished is kept: continue with baselines {resumed}"
    if not _home().record.exists():
        return " before the first round: nothing is kept"
    return f". Finished rounds are kept: continue with {quote(f'resume={_home().folder}')}"


def _values(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    check_parts(values, HydraConfig.get().job.config_name or "config")
    return {str(key): value for key, value in values.items()}


def _home() -> Home:
    """The outputs folder that Hydra made for this run."""
    return Home(Path(HydraConfig.get().runtime.output_dir))


def _exit_if(status: int) -> None:
    if status:
        sys.exit(status)


def _first(*candidates: object) -> object:
    """The first candidate that is not null: a resolver for the configuration."""
    return next(candidate for candidate in candidates if candidate is not None)


def _sorted_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options with their values, and all other words, each in order.

    Hydra's parser accepts overrides in only one place; here they may surround the options.
    """
    options, others, rest = list[str](), list[str](), iter(words)
    for word in rest:
        if not word.startswith("-"):
            others.append(word)
            continue
        options.append(word)
        if word in _WITH_VALUE:
            options.extend(islice(rest, 1))
    return options, others


def _with_resumed_overrides(overrides: list[str], sweeps: bool, part: str) -> list[str]:
    """With ``resume=FOLDER``, put the overrides of its run, in ``part``, before those given now.

    Raises:
        InvalidConfiguration: no run is there, or it would go on in another folder.
    """
    folder, _ = without_resume(overrides)
    if folder is None:
        return overrides
    elsewhere = [text for text in overrides if text.startswith(_FOLDERS)]
    if sweeps or elsewhere:
        raise InvalidConfiguration(
            f"resume={folder} with {elsewhere[0] if elsewhere else '--multirun'}",
            "goes on in the folder of the run, and can't go on in another",
            f"Give {quote(f'resume={folder}')} alone; begin a new run to have its files elsewhere",
        )
    kept = Home(folder / part).read_record().origin.overrides
    return [*kept, *overrides, "hydra.output_subdir=null"]


if __name__ == "__main__":
    main()
