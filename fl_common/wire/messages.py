"""Conversion between domain values and Flower records: the only file with the records' keys.

A train or evaluate message carries the run's plan (JSON), the round, the global parameters and,
under a site-level plan, the round's clip norm; its answer is an update, an evaluation or a refusal.

Parameters travel as one flat array, in the order of their names, because Flower sends each array as
objects, and requests, of its own. An instruction has their layout (names and shapes); an update
always has the layout of its instruction. A compressed update has codes, scales and a mask for its
arrays, and all but the scales are compressed (``huffman``). No field could hold a window or a
reading.
"""

import json
from functools import lru_cache
from itertools import accumulate
from math import ceil, prod
from typing import Any, TypeVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from fl_common.compression.huffman import compress, decompress
from fl_common.compression.quantisation import Layout, PackedDelta, layout_of
from fl_common.errors import JoinTheDotsError
from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import (
    Evaluation,
    Floats,
    LocalUpdate,
    Parameters,
    Refusal,
    RefusalReason,
    ShadowCounts,
)

HEAD, _ARRAYS, _VALUES, _LAYOUT = "head", "arrays", "values", "layout"
_PACKED, _CODES, _SCALES, _MASK = "packed", "c", "s", "m"  # short: they travel with each update
_UPDATE, REFUSAL, _EVALUATION, _NAME = "update", "refusal", "evaluation", "name"
SHADOW = "shadow"
"""The query for a site's shadow counts of a candidate."""
_SUMS, _EVALUATED = ("windows", "agreed", "failed"), ("correct", "total", "loss_sum")
_FLOAT32, _RAW, _COMPRESSED = "float32", "float32-little-endian", "zlib"
_LITTLE_ENDIAN = np.dtype("<f4")
_DETAIL_LIMIT = 2000
_Kind = TypeVar("_Kind", str, int, float, bool)
_Byte = TypeVar("_Byte", np.int8, np.uint8)

Answer = LocalUpdate | Refusal | Evaluation | ShadowCounts
"""What a site may answer to an instruction."""


class WireError(JoinTheDotsError):
    """The records are not as this version writes them."""


class InstructionWriter:
    """Writes one round's instruction to many sites: the parameters are serialised once."""

    def __init__(self, instruction: Instruction) -> None:
        layout = json.dumps(layout_of(instruction.parameters))
        head = {"plan": instruction.plan.to_json(), "round": instruction.round, _LAYOUT: layout,
                **_if_known(clip_norm=instruction.clip_norm),
                **_if_known(candidate=instruction.candidate)}  # fmt: skip
        self._head = ConfigRecord(head)
        self._arrays = _to_arrays(instruction.parameters)

    def content(self) -> RecordDict:
        """A new record dictionary that shares the (read-only) records."""
        return RecordDict({HEAD: self._head, _ARRAYS: self._arrays})


class InstructionReader:
    """Reads instructions; records shared by many messages of a round are read once."""

    def __init__(self) -> None:
        self._head: ConfigRecord | None = None
        self._record: ArrayRecord | None = None
        self._read: Instruction | None = None

    def read(self, content: RecordDict) -> Instruction:
        """The instruction in ``content``.

        Raises:
            WireError: a record or a field is missing or of another type.
            InvalidConfiguration: the plan or the clip norm breaks a rule.
        """
        head, record = _config(content, HEAD), _arrays(content)
        if self._read is None or head is not self._head or record is not self._record:
            self._read = _instruction(head, record)
            self._head, self._record = head, record
        return self._read


def _instruction(head: ConfigRecord, record: ArrayRecord) -> Instruction:
    parameters = _from_arrays(record, _parse_layout(_field(head, _LAYOUT, str)))
    plan = _parse_plan(_field(head, "plan", str))
    clip_norm = _field(head, "clip_norm", float) if "clip_norm" in head else None
    candidate = _field(head, "candidate", str) if "candidate" in head else None
    return Instruction(plan, _field(head, "round", int), parameters, clip_norm, candidate)


@lru_cache(maxsize=8)
def _parse_plan(text: str) -> RunPlan:
    return RunPlan.from_json(text)


@lru_cache(maxsize=8)
def _parse_layout(text: str) -> Layout:
    try:
        layout = json.loads(text)
    except ValueError as error:
        raise WireError(f"the layout of the parameters is not JSON: {error}") from error
    if not isinstance(layout, dict) or not all(map(_is_shape, layout.values())):
        raise WireError(f"{text[:200]!r} is not a layout: names, each with a list of sizes")
    return {name: tuple(shape) for name, shape in layout.items()}


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def write_answer(answer: Answer) -> RecordDict:
    """The content of a site's reply."""
    if isinstance(answer, ShadowCounts):
        sums = {name: float(getattr(answer, name)) for name in _SUMS}
        return RecordDict({HEAD: ConfigRecord({"kind": SHADOW, **sums})})
    if isinstance(answer, Refusal):
        head = {"kind": REFUSAL, **_origin(answer), "reason": str(answer.reason),
                "detail": answer.detail[:_DETAIL_LIMIT]}  # fmt: skip
        return RecordDict({HEAD: ConfigRecord(head)})
    if isinstance(answer, Evaluation):
        sums = {name: float(getattr(answer, name)) for name in _EVALUATED}
        more = {"details": list(map(float, answer.details))} if answer.details else {}
        return RecordDict({HEAD: ConfigRecord({"kind": _EVALUATION, **sums, **more})})
    head = {"kind": _UPDATE, **_origin(answer), "weight": float(answer.weight),
            **_if_known(within_clip_norm=answer.within_clip_norm)}  # fmt: skip
    if isinstance(answer.delta, PackedDelta):
        return RecordDict({HEAD: ConfigRecord(head), _PACKED: _to_packed(answer.delta)})
    return RecordDict({HEAD: ConfigRecord(head), _ARRAYS: _to_arrays(answer.delta)})


def read_answer(content: RecordDict, like: Parameters | None = None) -> Answer:
    """What ``write_answer`` wrote.

    ``like`` are the trained ones of the parameters that were sent; an update has their names and
    shapes. None: no update is expected.

    Raises:
        WireError: anything else.
    """
    head = _config(content, HEAD)
    kind = _field(head, "kind", str)
    if kind == _EVALUATION:
        right, total, loss = (_field(head, key, float) for key in _EVALUATED)
        return Evaluation(right, total, loss, _details(head))
    if kind == SHADOW:
        return ShadowCounts(*(_field(head, key, float) for key in _SUMS))
    origin = (_field(head, "site", str), _field(head, "run", str), _field(head, "round", int))
    if kind == REFUSAL:
        reason = _field(head, "reason", str)
        if reason not in list(RefusalReason):
            raise WireError(f"unknown reason {reason!r} of a refusal")
        return Refusal(*origin, RefusalReason(reason), _field(head, "detail", str)[:_DETAIL_LIMIT])
    if kind == _UPDATE:
        delta = _delta(content, like)
        within = _field(head, "within_clip_norm", bool) if "within_clip_norm" in head else None
        return LocalUpdate(*origin, delta, _field(head, "weight", float), within)
    raise WireError(f"unknown kind {kind!r} of answer")


def _details(head: ConfigRecord) -> tuple[float, ...]:
    details = head.get("details", [])
    if isinstance(details, list) and all(isinstance(one, float) for one in details):
        return tuple(map(float, details))
    raise WireError("the details of an evaluation are not a list of numbers")


def write_name(site: str, position: int) -> RecordDict:
    """The reply to a query: the site's name, and its position in a simulated fleet (else -1)."""
    return RecordDict({HEAD: ConfigRecord({"kind": _NAME, "site": site, "position": position})})


def read_name(content: RecordDict) -> tuple[str, int]:
    """What ``write_name`` wrote."""
    head = _config(content, HEAD)
    return _field(head, "site", str), _field(head, "position", int)


def empty() -> RecordDict:
    """The content of a query."""
    return RecordDict()


def _origin(answer: LocalUpdate | Refusal) -> dict[str, Any]:
    return {"site": answer.site, "run": answer.run, "round": answer.round}


def _if_known(**fields: float | bool | str | None) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def to_array(values: Floats) -> Array:
    """One array for the wire: its little-endian float32 values, without a header."""
    data = np.ascontiguousarray(values, _LITTLE_ENDIAN).tobytes()
    return Array(_FLOAT32, values.shape, _RAW, data)


def _to_arrays(parameters: Parameters) -> ArrayRecord:
    """All parameters as one array, in the order of their names; copied once."""
    ordered = [parameters[name] for name in sorted(parameters)]
    data = b"".join(np.ascontiguousarray(a, _LITTLE_ENDIAN).reshape(-1).data for a in ordered)
    return ArrayRecord({_VALUES: Array(_FLOAT32, (len(data) // 4,), _RAW, data)})


def _from_arrays(record: ArrayRecord, layout: Layout) -> Parameters:
    """The named arrays, read-only views of the record's bytes."""
    if set(record) != {_VALUES}:
        raise WireError(f"arrays {sorted(record)[:9]}, not one of all {_VALUES}")
    values_E = _from_array(_VALUES, record[_VALUES])
    size_of = {name: prod(layout[name]) for name in sorted(layout)}
    if values_E.shape != (sum(size_of.values()),):
        raise WireError(f"{values_E.shape} values, not those of {dict(layout)}")
    end_of = dict(zip(size_of, accumulate(size_of.values()), strict=True))
    return {
        name: values_E[end_of[name] - size_of[name] : end_of[name]].reshape(shape)
        for name, shape in layout.items()
    }


def _from_array(name: str, array: Array) -> Floats:
    if (array.dtype, array.stype) != (_FLOAT32, _RAW):
        raise WireError(f"array {name!r} is of {array.dtype} as {array.stype}, not {_RAW}")
    if any(size < 0 for size in array.shape) or 4 * prod(array.shape) != len(array.data):
        raise WireError(f"array {name!r} of shape {array.shape} has {len(array.data)} bytes")
    return np.frombuffer(array.data, _LITTLE_ENDIAN).reshape(array.shape)


def _to_packed(delta: PackedDelta) -> ArrayRecord:
    arrays = {_SCALES: to_array(delta.scales_A), _CODES: _to_bytes(delta.codes_K)}
    if delta.mask is not None:
        arrays[_MASK] = _to_bytes(delta.mask)
    return ArrayRecord(arrays)


def _to_bytes(values: NDArray[np.int8] | NDArray[np.uint8]) -> Array:
    return Array(str(values.dtype), values.shape, _COMPRESSED, compress(values.tobytes()))


def _delta(content: RecordDict, like: Parameters | None) -> Parameters:
    """An update's arrays, with the names and shapes of ``like``."""
    if like is None:
        raise WireError("an update where none may be")
    record = content.get(_PACKED)
    if record is None:
        return _from_arrays(_arrays(content), layout_of(like))
    if not isinstance(record, ArrayRecord) or _ARRAYS in content:
        raise WireError(f"a record {_PACKED!r} where no compressed update may be")
    if not {_SCALES, _CODES} <= set(record) <= {_SCALES, _CODES, _MASK}:
        raise WireError(f"a compressed update of {sorted(record)[:9]}")
    scales, layout = _from_array(_SCALES, record[_SCALES]), layout_of(like)
    size = sum(map(prod, layout.values()))
    try:
        codes_K = _from_bytes(record[_CODES], np.int8, size)
        mask = _from_bytes(record[_MASK], np.uint8, ceil(size / 8)) if _MASK in record else None
        return PackedDelta(layout, scales, codes_K, mask)
    except ValueError as error:
        raise WireError(f"a compressed update does not fit: {error}") from error


def _from_bytes(array: Array, kind: type[_Byte], most: int) -> NDArray[_Byte]:
    """At most ``most`` values, whatever the bytes say; ValueError if they are no such array."""
    if (array.dtype, array.stype) != (kind.__name__, _COMPRESSED):
        raise ValueError(f"an array of {array.dtype} as {array.stype}, not {_COMPRESSED}")
    values = np.frombuffer(decompress(array.data, most), kind)
    if array.shape != values.shape:
        raise ValueError(f"{len(values)} values are no array of shape {array.shape}")
    return values


def _config(content: RecordDict, key: str) -> ConfigRecord:
    record = content.get(key)
    if not isinstance(record, ConfigRecord):
        raise WireError(f"the message has no record {key!r}")
    return record


def _arrays(content: RecordDict) -> ArrayRecord:
    record = content.get(_ARRAYS)
    if not isinstance(record, ArrayRecord):
        raise WireError(f"the message has no record {_ARRAYS!r}")
    return record


def _field(head: ConfigRecord, key: str, kind: type[_Kind]) -> _Kind:
    value = head.get(key)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise WireError(f"field {key!r} is {value!r}, not {kind.__name__}")
    return value
