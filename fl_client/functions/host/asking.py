"""What functions ask the box's model, from their process to the sensing process and back.

The functions' process has no files, and no model: the sensing process, where the model is loaded
and was tried, answers while it waits for the answer to a call, and within that call's time. Nothing
of a question is trusted.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fl_client.functions.host.channel import Channel, ChannelError
from fl_common.errors import BadInput, InvalidData, NoModel
from fl_common.functions.asked import Asker, Numbers, checked, shaped

QUESTION = "infer"
Answering = Callable[[Numbers, float], Numbers]
"""Answers (N, ...) to windows (N, ...) within seconds. Raises BadInput or NoModel."""


AskingNetworks = Callable[[str, Asker, Numbers, float], Numbers]
"""The answer of the network of that name, in a row, within seconds. Raises as ``Answering``."""


class AskingNode:
    """A ``Model``, in the functions' process, that is on the other side of ``channel``.

    It is the box's own, or the ``network`` of that name.
    """

    def __init__(self, channel: Channel, network: str | None = None) -> None:
        self._channel, self._network = channel, network

    def __call__(self, windows: Numbers) -> Numbers:
        """The answers. Raises InvalidData in the words of the other side."""
        question = {"shape": list(windows.shape), "values": _written(windows)}
        if self._network is not None:
            question["network"] = self._network
        self._channel.send({QUESTION: question})
        answer = self._channel.receive()
        if "refused" in answer:
            value, rule, remedy = answer["refused"]
            raise InvalidData(value, rule, remedy)
        return _read(answer["values"])


def no_answering(_windows: Numbers, _seconds: float) -> Numbers:
    """Of a host without a model. Raises NoModel."""
    raise NoModel("no model")


def no_networks(name: str, _asker: Asker, _windows: Numbers, _seconds: float) -> Numbers:
    """Of a host without networks. Raises NoModel."""
    raise NoModel(f"no network {name}")


NO_ASKER = Asker(0, "", 0)


@dataclass
class Answerer:
    """Answers what a function asks during one call: the box's ``model``, or one of its networks.

    ``allowed`` are the networks that the function's ``asks`` names. ``lacking``: one that it asked
    did not serve.
    """

    model: Answering
    networks: AskingNetworks = no_networks
    allowed: frozenset[str] = frozenset()
    asker: Asker = NO_ASKER
    lacking: bool = False

    def of(self, network: str | None) -> Answering:
        """What answers a question to the network of that name; None: to the model.

        Raises:
            InvalidData: the function may not ask it.
        """
        if network is None:
            return self.model
        if network not in self.allowed:
            named = ", ".join(sorted(self.allowed)) or "none"
            rule = f"is not among those that asks of its function.json names ({named})"
            raise InvalidData(f"the network {network[:64]}", rule, "Name it there")
        return lambda windows, seconds: self.networks(network, self.asker, windows, seconds)


def nobody() -> Answerer:
    """Answers nothing: what is made or tried has nobody to ask."""
    return Answerer(no_answering)


def reply_to(question: Any, answers: Answerer, seconds: float) -> Mapping[str, Any]:
    """What the functions' process is told, within ``seconds``.

    Raises:
        ChannelError: it is no question, as our code writes one.
    """
    try:
        sizes = [int(size) for size in question["shape"]]
        values, network = _read(question["values"]), question.get("network")
        if not isinstance(network, str | None):
            raise TypeError("no name")
    except (LookupError, TypeError, ValueError) as error:
        raise ChannelError("its question to the model is none") from error
    try:
        model = answers.of(network)
        return {"values": _written(checked(model(shaped(values, sizes), seconds)))}
    except NoModel:
        answers.lacking = True
        what = "no model" if network is None else f"no network {network}"
        return {"refused": [what, "serves here at present", "Ask again later"]}
    except BadInput as error:
        return {"refused": [error.value, error.rule, error.remedy]}


def _written(numbers: Numbers) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def _read(text: str) -> Numbers:
    import numpy as np  # inside of the wall, where this process has one

    found: Numbers = np.frombuffer(base64.b64decode(text, validate=True), "<f4").copy()
    return found
