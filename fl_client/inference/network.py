"""A network without a task: one question, as numbers in a row, and its answer.

What the component's description claims is compared with the ONNX file before anything is asked: a
state is as large as its input says, and never grows.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fl_client.inference.onnx_model import Tensor
from fl_common.components.network import NetworkSpec
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, NamedArrays


class Runs(Protocol):
    """What computes it: an ``OnnxModel``, or what serves one."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """What it takes."""
        ...

    @property
    def outputs(self) -> Sequence[Tensor]:
        """What it gives."""
        ...

    def run(
        self, arrays: NamedArrays, outputs: Sequence[str] | None, seconds: float | None
    ) -> NamedArrays:
        """The named outputs. Raises InvalidData."""
        ...


State = Mapping[str, NDArray[Any]]
"""By the input that carries it."""
MOST_STATE = 1 << 18
"""Numbers of the state of one stream: 1 MiB of 32 bits."""
MOST_PLACES = 1 << 24
"""Of an axis along which the largest value is answered: so far 32 bits count exactly."""
_NUMBERS = ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "bool")


class Unanswered(InvalidData):
    """A network had no answer to a question that fits it, in its time: the network's own fault."""


_REMEDY = "Publish one whose description is that of its file"


class Network:
    """The network of ``model``, asked as ``spec`` says.

    Raises:
        InvalidData: the description is not that of the file.
    """

    def __init__(self, model: Runs, spec: NetworkSpec) -> None:
        self._model, self.spec = model, spec
        inputs = {tensor.name: tensor for tensor in model.inputs}
        outputs = {tensor.name: tensor for tensor in model.outputs}
        named = {*spec.inputs, *spec.state, *spec.constants}
        if named != inputs.keys():
            rule = f"names the inputs {_listed(named)}, and the file has {_listed(inputs)}"
            raise _refused(rule)
        for name, following in spec.state.items():
            _check_state(inputs[name], outputs.get(following), following)
        self.zeros: State = {name: _zeros(inputs[name]) for name in spec.state}
        if sum(array.size for array in self.zeros.values()) > MOST_STATE:
            raise _refused(f"carries a state of more than {MOST_STATE:,} numbers")
        self._constants = {
            name: _constant(inputs[name], value) for name, value in spec.constants.items()
        }
        self._asked = [inputs[name] for name in spec.inputs]
        for tensor in self._asked:
            if tensor.dtype not in _NUMBERS:
                raise _refused(f"has the input {tensor.name!r} of {tensor.dtype}, and no numbers")
        self._answers = [name for name in outputs if name not in spec.state.values()]
        if not self._answers:
            raise _refused("has no output but its state")
        for name in spec.largest:
            _check_largest(outputs.get(name), name)

    def ask(
        self, values: Floats, state: State | None = None, seconds: float | None = None
    ) -> tuple[Floats, State]:
        """All outputs in a row but the states, one after the other, and the next state.

        Of an output that the description names as ``largest`` it is a pair for each row along its
        last axis: the place of the largest value, and that value.

        ``values`` are those of one question: of one input in the shape that it takes, without or
        with a first axis of 1; of several all their numbers in a row. ``state`` None: zeros.

        Raises:
            InvalidData: they do not fit.
            Unanswered: they can't be computed with in ``seconds``, or leave no state.
        """
        state = self.zeros if state is None else state
        given = {**self._filled(values), **state, **self._constants}
        following = list(self.spec.state.values())
        try:
            found = self._model.run(given, [*self._answers, *following], seconds)
        except InvalidData as error:
            raise Unanswered(error.value, error.rule, error.remedy) from error
        carried = {name: found[output] for name, output in self.spec.state.items()}
        for name, array in carried.items():
            if array.shape != self.zeros[name].shape or not np.isfinite(array).all():
                rule = f"gave a state {name!r} that is not finite, or of another shape"
                raise Unanswered("the network", rule, "The next window begins with none")
        rows = [self._row(name, found[name]) for name in self._answers]
        return np.concatenate(rows), carried

    def _row(self, name: str, answer: NDArray[Any]) -> Floats:
        """The numbers of an output that are answered. Raises InvalidData."""
        if name in self.spec.largest:
            answer = _largest(name, answer)
        return np.asarray(answer, np.float32).ravel()

    def typical(self) -> Floats:
        """The numbers of a typical question: zeros."""
        shapes = self.spec.shapes
        if len(shapes) == 1:
            return np.zeros(shapes[0], np.float32)
        return np.zeros(sum(math.prod(shape) for shape in shapes), np.float32)

    def _filled(self, values: Floats) -> dict[str, NDArray[Any]]:
        """The inputs that a question fills. Raises InvalidData."""
        if len(self._asked) == 1:
            (tensor,) = self._asked
            return {tensor.name: _as(tensor, values)}
        sizes = [_size(tensor) for tensor in self._asked]
        if values.size != sum(sizes):
            pairs = zip(sizes, self._asked, strict=True)
            parts = " + ".join(f"{size:,} of {tensor.name}" for size, tensor in pairs)
            rule = f"must be {sum(sizes):,} in a row: {parts}"
            raise InvalidData(f"{values.size:,} numbers", rule, "Compare the recipe's inputs")
        ends = np.cumsum(sizes)[:-1]
        row = values.ravel()
        return {
            tensor.name: part.reshape(_fixed(tensor)).astype(tensor.dtype)
            for tensor, part in zip(self._asked, np.split(row, ends), strict=True)
        }


def _as(tensor: Tensor, values: Floats) -> NDArray[Any]:
    """The values in the tensor's shape: as given, with a first axis of 1, or without it."""
    for shape in (values.shape, (1, *values.shape), values.shape[1:]):
        if len(shape) == len(tensor.shape) and math.prod(shape) == values.size:
            sizes = zip(shape, tensor.shape, strict=True)
            if all(want in (None, got) for got, want in sizes):
                return values.reshape(shape).astype(tensor.dtype)
    if None not in tensor.shape[1:] and values.size == _size(tensor):
        return values.reshape(_fixed(tensor)).astype(tensor.dtype)
    wanted = " x ".join("any" if size is None else str(size) for size in tensor.shape)
    rule = f"does not fit the input {tensor.name}, which is {wanted}"
    shown = " x ".join(map(str, values.shape))
    raise InvalidData(f"a question of {shown}", rule, "Ask in that shape")


def _fixed(tensor: Tensor) -> tuple[int, ...]:
    """Its shape for one window: 1 where any size is allowed."""
    return tuple(1 if size is None else size for size in tensor.shape)


def _size(tensor: Tensor) -> int:
    return math.prod(_fixed(tensor))


def _zeros(tensor: Tensor) -> NDArray[Any]:
    if tensor.dtype not in _NUMBERS:
        raise _refused(f"carries the state {tensor.name!r} of {tensor.dtype}, and no numbers")
    if _size(tensor) > MOST_STATE:
        raise _refused(f"carries a state of more than {MOST_STATE:,} numbers")
    return np.zeros(_fixed(tensor), tensor.dtype)


def _check_state(tensor: Tensor, following: Tensor | None, name: str) -> None:
    if following is None:
        raise _refused(f"takes the state {tensor.name!r} from {name!r}, no output of the file")
    if following.dtype != tensor.dtype or len(following.shape) != len(tensor.shape):
        rule = f"carries the state {tensor.name!r} ({tensor.dtype}, {_shown(tensor)}) from"
        raise _refused(f"{rule} {name!r} ({following.dtype}, {_shown(following)})")
    for ours, theirs in zip(tensor.shape, following.shape, strict=True):
        if ours is not None and theirs not in (None, ours):
            rule = f"carries the state {tensor.name!r} ({_shown(tensor)}) from"
            raise _refused(f"{rule} {name!r} ({_shown(following)})")


def _check_largest(tensor: Tensor | None, name: str) -> None:
    if tensor is None:
        raise _refused(f"answers the largest of {name!r}, no output of the file")
    if tensor.dtype not in _NUMBERS or not tensor.shape:
        rule = f"answers the largest of {name!r} ({tensor.dtype}, {_shown(tensor)})"
        raise _refused(f"{rule}, which has no axis of numbers")
    if (tensor.shape[-1] or 1) > MOST_PLACES:
        rule = f"answers the largest of {name!r} ({_shown(tensor)})"
        raise _refused(f"{rule}, whose last axis has more than {MOST_PLACES:,} places")


def _largest(name: str, answer: NDArray[Any]) -> NDArray[Any]:
    """For each row along the last axis the place of the largest value, and that value: (..., 2).

    Of equal ones it is the first. Raises InvalidData.
    """
    if not 0 < answer.shape[-1] <= MOST_PLACES:
        rule = f"has no largest value among {answer.shape[-1]:,} places"
        raise InvalidData(f"the output {name} of the network", rule, "Ask in another shape")
    places = answer.argmax(axis=-1, keepdims=True)
    values = np.take_along_axis(answer, places, axis=-1)
    return np.concatenate([places.astype(np.float32), values.astype(np.float32)], axis=-1)


def _constant(tensor: Tensor, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value)
        is_one = array.size <= MOST_STATE and array.dtype.kind in "biuf"
        made = array.astype(tensor.dtype) if is_one else array
        is_same = is_one and bool((made == array).all())
    except (TypeError, ValueError, OverflowError):
        is_same = False
    sizes = zip(made.shape, tensor.shape, strict=False) if is_same else ()
    if not is_same or len(made.shape) != len(tensor.shape):
        raise _refused(f"sets {tensor.name!r} ({tensor.dtype}, {_shown(tensor)}) to another value")
    if any(want not in (None, got) for got, want in sizes):
        raise _refused(f"sets {tensor.name!r} ({_shown(tensor)}) to a value of another shape")
    return made


def _shown(tensor: Tensor) -> str:
    return "x".join("any" if size is None else str(size) for size in tensor.shape) or "scalar"


def _listed(names: Sequence[str] | Any) -> str:
    return ", ".join(sorted(names))[:200]


def _refused(rule: str) -> InvalidData:
    return InvalidData("the description of a network", rule, _REMEDY)
