"""A warm start: the first parameters of a run are those of an earlier model, whose lineage is kept.

They come from the folder of a run, from a model that a run has published (ONNX), or from weights
(safetensors, or a state that torch saved) with the names of the network's own parameters, or of a
network that others have published and whose layers this one has (``Net.adopted``). A server may
begin with the model in production, too.
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.safetensors import read_safetensors
from fl_common.params import digest
from fl_common.vocabulary import Parameters, Task
from fl_server.rounds.blend import PLAIN, Blend, blend_of
from fl_server.rounds.checkpoint import load_latest
from fl_server.rounds.earlier_shape import check_same_shape
from models.metadata import read_metadata
from models.nets import Net, load_parameters, parameters_of
from models.onnx.content import check_model

_BODY = "net.body."
"""Before the names of parameters in an exported model."""
_MOST_NAMED = 3
_SAME = ("unit", "delta", "accountant", "noise_generator")
"""What two runs must have in common to be told as one."""
_SAVED_BY_TORCH = (".pth", ".pt")


@dataclass(frozen=True)
class WarmStart:
    """Where first parameters came from: of which ``run`` and ``round``, as far as it is known.

    ``privacy`` is what that run had spent: its unit, and epsilon where it had DP. ``ledgers`` says
    whether it is of the same server, so that the ledgers of its sites hold both runs within one
    limit. ``keep`` and ``stir`` are those of a ``Blend``.
    """

    source: str
    parameter_digest: str
    run: str | None
    round: int | None
    privacy: Mapping[str, Any] | None
    keep: float
    stir: float
    ledgers: bool

    def published(self) -> dict[str, Any]:
        """What the published model says of it: all but the place on this machine."""
        return {key: value for key, value in asdict(self).items() if key != "source"}

    def unlike(self, task: Task) -> str | None:
        """What to say where windows of ``task`` are scaled otherwise than those of that run."""
        before = dict((self.privacy or {}).get("scale") or {})
        for name, own in (("center", task.center), ("scale", task.scale)):
            was = before.get(name)
            if was is not None and not np.array_equal(np.asarray(was), np.asarray(own)):
                return (
                    f"{self.source}: its parameters are for windows of another {name}"
                    f" ({_first(was)}; here {_first(own)}), and mean something else on these: set"
                    f" world.center and world.scale to those of that run"
                )
        return None

    def __str__(self) -> str:
        of_run = f" of run {self.run}, round {self.round}," if self.run else ""
        spent = "how they were trained is not known"
        if self.privacy is not None:
            epsilon = self.privacy.get("epsilon")
            spent = f"trained with epsilon {epsilon:.3g}" if epsilon else "trained without DP"
        mixed = f" ({self.keep:g} of them and {self.stir:g} of new ones)" if self.stir else ""
        on_top = "what they reveal of the same data comes on top of what this run spends"
        if self.ledgers:
            on_top = "the ledgers of the sites count both runs"
        return f"begins with the parameters{of_run} in {self.source}{mixed}, {spent}: {on_top}"


def warm_start(config: Config, net: Net, task: Task, *, ledgers: bool = False) -> WarmStart | None:
    """Give ``net`` the parameters that ``init`` names; None, and nothing done, where it is null.

    ``ledgers``: a run's folder is one of the same server, see ``WarmStart``.

    Raises:
        InvalidConfiguration: they are not those of such a network, or of windows of another shape.
        InvalidData: there are none, or the file is damaged.
    """
    blend = blend_of(config)
    if config["init"] is None:
        return None
    check_same_shape(config, task)
    path = from_home(str(config["init"]))
    return started(str(path), Earlier(*_read(path)), net, blend, ledgers=ledgers)


class Earlier(NamedTuple):
    """The parameters of an earlier model, and what is known of how they were trained."""

    parameters: Parameters
    run: str | None
    round: int | None
    privacy: Mapping[str, Any] | None


def started(source: str, earlier: Earlier, net: Net, blend: Blend, *, ledgers: bool) -> WarmStart:
    """Give ``net``, which has new parameters, what the blend makes of those of ``source``.

    Raises:
        InvalidConfiguration: they are not those of such a network.
    """
    found = _adopted(source, earlier.parameters, net)
    _check_fits(source, found, parameters_of(net))
    load_parameters(net, found if blend == PLAIN else blend.of(net, found))
    return WarmStart(
        source,
        digest(parameters_of(net)),
        earlier.run,
        earlier.round,
        _shortened(earlier.privacy) if ledgers else earlier.privacy,
        blend.keep,
        blend.stir,
        ledgers,
    )


def _shortened(privacy: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What is said of a run's privacy, with the run before it in the same words.

    A fleet that keeps learning would have a longer lineage with each run. Where both protect the
    same, and the same ledgers hold them within the higher of their limits, that limit says it all.
    """
    init = dict((privacy or {}).get("init") or {})
    before = init.get("privacy") or {}
    if (
        privacy is None
        or not init.get("ledgers")
        or any(privacy.get(key) != before.get(key) for key in _SAME)
    ):
        return privacy
    own = {key: value for key, value in privacy.items() if key != "init"}
    limit = max(own["epsilon_limit"], before["epsilon_limit"])
    earlier = {"init": before["init"]} if before.get("init") else {}
    return {**own, "epsilon_limit": limit, "runs": before.get("runs", 1) + 1, **earlier}


def check_no_survey_after(start: WarmStart | None, place: str) -> None:
    """Raise InvalidConfiguration for a warm start of a run whose scale a survey is to find.

    ``place`` is where a person declares center and scale: ``world`` or ``task``.
    """
    if start is not None:
        asked = "world.scale=private" if place == "world" else "scale=private"
        raise InvalidConfiguration(
            f"init={start.source} with {asked}",
            "can't be used together: a survey would find another scale than the parameters are for",
            f"Set {place}.center and {place}.scale to those of that run (scale in its"
            " summary.json, or in its model's property privacy)",
        )


def _first(numbers: Sequence[float]) -> str:
    """The first few of one number for each channel."""
    shown = ", ".join(f"{number:g}" for number in numbers[:_MOST_NAMED])
    return f"[{shown}{', ...' if len(numbers) > _MOST_NAMED else ''}]"


def _adopted(source: str, read: Parameters, net: Net) -> Parameters:
    """What ``read`` holds, under the network's own names."""
    try:
        return net.adopted(read)
    except (KeyError, ValueError) as error:
        raise InvalidConfiguration(
            f"init={source}",
            f"is not of the network that net {type(net).__name__} takes from a publisher ({error})",
            "Give the file of that network: see docs/how-to/pretrained.md",
        ) from error


def _read(path: Path) -> tuple[Parameters, str | None, int | None, Mapping[str, Any] | None]:
    if path.is_dir():
        return _of_run(path)
    if path.suffix == ".onnx":
        return _of_model(path)
    if path.suffix in _SAVED_BY_TORCH:
        return _of_state(path), None, None, None
    parameters, about = read_safetensors(path)
    known = "run" in about and "round" in about and "privacy" in about
    facts = (about["run"], int(about["round"]), json.loads(about["privacy"])) if known else None
    return parameters, *(facts or (None, None, None))


def _of_state(path: Path) -> Parameters:
    """The numbers of a module's state; nothing in the file is run."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {str(name): tensor for name, tensor in state.items()}
        return {
            name: tensor.detach().float().numpy()
            for name, tensor in tensors.items()
            if tensor.is_floating_point()
        }
    except (OSError, EOFError, RuntimeError, AttributeError, pickle.UnpicklingError) as error:
        # Of torch's own words some advise to run what is in the file.
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise InvalidData(
            f"init={path}",
            f"must be a module's state as torch saves it ({why})",
            "Correct the path, or save module.state_dict()",
        ) from error


def _of_run(folder: Path) -> tuple[Parameters, str, int, Mapping[str, Any]]:
    unit, kept, model = _unit_of(folder), load_latest(folder / "checkpoints"), folder / "model.onnx"
    if kept is None:
        raise InvalidData(f"init={folder}", "has finished no round yet", "Give another run")
    privacy = {"unit": unit, "epsilon": kept.history[-1]["epsilon"]}
    if model.is_file():  # a finished run: with noise, delta and its own beginning
        privacy = dict(_of_model(model)[3])
    return kept.parameters, kept.run, kept.round, privacy


def _unit_of(folder: Path) -> str:
    """What the run in ``folder`` protects, by its record; a server has its settings beside that."""
    try:
        record = json.loads((folder / "run.json").read_text("utf-8"))
        kept = folder / "settings.json"
        settings = record.get("settings") or json.loads(kept.read_text("utf-8"))
        return str(settings["privacy.unit"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidData(
            f"init={folder}",
            "is no folder of a run (its record can't be read)",
            "Give a run's outputs folder, or a file of its model",
        ) from error


def _of_model(path: Path) -> tuple[Parameters, str, int, Mapping[str, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"can't be read ({error.strerror})"
        raise InvalidData(f"init={path}", reason, "Correct the path") from error
    check_model(content)  # before another library reads it
    about, graph = read_metadata(content), onnx.load_from_string(content).graph
    arrays = {
        tensor.name.removeprefix(_BODY): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in graph.initializer
        if tensor.name.startswith(_BODY)
    }
    return arrays, about.run, about.round, about.privacy


def _check_fits(source: str, found: Parameters, own: Parameters) -> None:
    """Raise InvalidConfiguration unless ``found`` has each of the network's parameters."""
    wrong = [
        f"{name} {array.shape} ({found[name].shape if name in found else 'missing'})"
        for name, array in own.items()
        if name not in found or found[name].shape != array.shape
    ]
    if wrong:
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise InvalidConfiguration(
            f"init={source}",
            f"lacks parameters of this run's network: {', '.join(wrong[:_MOST_NAMED])}{more}",
            "Choose the net and task that it was trained with; of an exported model, give the"
            " run's folder instead",
        )
