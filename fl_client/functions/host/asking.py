"""What functions ask the box's model, from their process to the sensing process and back.

The functions' process has no files, and no model: the sensing process, where the model is loaded
and was tried, answers while it waits for the answer to a call, and within that call's time. Nothing
of a question is trusted.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from fl_client.functions.host.channel import Channel, ChannelError
from fl_common.errors import BadInput, InvalidData, NoModel
from fl_common.functions.asked import Numbers, checked, shaped

QUESTION = "infer"
Answering = Callable[[Numbers, float], Numbers]
"""Answers (N, ...) to windows (N, ...) within seconds. Raises BadInput or NoModel."""


class AskingNode:
    """A ``Model``, in the functions' process, that is on the other side of ``channel``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(self, windows: Numbers) -> Numbers:
        """The answers. Raises InvalidData in the words of the other side."""
        question = {"shape": list(windows.shape), "values": _written(windows)}
        self._channel.send({QUESTION: question})
        answer = self._channel.receive()
        if "refused" in answer:
            value, rule, remedy = answer["refused"]
            raise InvalidData(value, rule, remedy)
        return _read(answer["values"])


class Asked:
    """``model``, and whether it was ``lacking`` when it was asked."""

    def __init__(self, model: Answering) -> None:
        self._model, self.lacking = model, False

    def __call__(self, windows: Numbers, seconds: float) -> Numbers:
        """See ``Answering``."""
        try:
            return self._model(windows, seconds)
        except NoModel:
            self.lacking = True
            raise


def no_answering(_windows: Numbers, _seconds: float) -> Numbers:
    """Of a host without a model. Raises NoModel."""
    raise NoModel("no model")


def reply_to(question: Any, model: Answering, seconds: float) -> Mapping[str, Any]:
    """What the functions' process is told, within ``seconds``.

    Raises:
        ChannelError: it is no question, as our code writes one.
    """
    try:
        sizes = [int(size) for size in question["shape"]]
        values = _read(question["values"])
    except (LookupError, TypeError, ValueError) as error:
        raise ChannelError("its question to the model is none") from error
    try:
        return {"values": _written(checked(model(shaped(values, sizes), seconds)))}
    except NoModel:
        return {"refused": ["no model", "serves here at present", "Ask again later"]}
    except BadInput as error:
        return {"refused": [error.value, error.rule, error.remedy]}


def _written(numbers: Numbers) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def _read(text: str) -> Numbers:
    import numpy as np  # inside of the wall, where this process has one

    found: Numbers = np.frombuffer(base64.b64decode(text, validate=True), "<f4").copy()
    return found
