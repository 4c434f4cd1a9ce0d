"""Ways in which a private value could be smuggled into a site's answer."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fl_common.wire import messages as wire
from simulate.egress.sentinels import NAMES, READINGS, UNKNOWN_LABEL, label_run, planted_values
from tests.support import samples

WINDOW = planted_values(1, samples.TASK.window_shape)[0]

Spoiler = Callable[[RecordDict], None]


def with_array(values: np.ndarray[Any, Any]) -> Spoiler:
    def spoil(content: RecordDict) -> None:
        content["windows"] = ArrayRecord({"w": Array(values)})

    return spoil


def with_field(value: Any) -> Spoiler:
    def spoil(content: RecordDict) -> None:
        content["more"] = ConfigRecord({"more": value})

    return spoil


def in_words(text: str) -> Spoiler:
    def spoil(content: RecordDict) -> None:
        if "detail" in (head := content.config_records["head"]):
            head["detail"] = text

    return spoil


def as_metric(content: RecordDict) -> None:
    content["metrics"] = MetricRecord({"highest": READINGS[3]})


def as_parameters(content: RecordDict) -> None:
    for arrays in content.array_records.values():
        name, array = next(iter(arrays.items()))
        values = np.frombuffer(array.data, "<f4").reshape(array.shape).copy()
        values.flat[3] = READINGS[2]
        arrays[name] = wire.to_array(values)


def as_site(content: RecordDict) -> None:
    content.config_records["head"]["site"] = NAMES[1]


PACKED = zlib.compress(WINDOW.tobytes())

LEAKS: dict[str, tuple[Spoiler, str]] = {
    "a window as one more array": (with_array(WINDOW), "reading"),
    "a window in half precision": (with_array(WINDOW.astype(np.float16)), "reading"),
    "a float64 in a metric": (as_metric, "reading"),
    "a reading among the parameters": (as_parameters, "reading"),
    "base64 in a refusal": (in_words(base64.b64encode(WINDOW.tobytes()).decode()), "reading"),
    "hexadecimal in a refusal": (in_words(WINDOW.tobytes().hex()), "reading"),
    "a mean in a refusal": (in_words(f"the highest of 40 is {READINGS[4]:.2f} g"), "reading"),
    "compressed bytes": (with_field(PACKED), "reading"),
    "compressed bytes in base64": (with_field(base64.b64encode(PACKED).decode()), "reading"),
    "JSON": (with_field(json.dumps({"window": WINDOW.tolist()})), "reading"),
    "a list of numbers": (with_field(WINDOW.ravel().tolist()), "reading"),
    "labels as an array": (with_array(label_run(samples.TASK)), "labels"),
    "labels as a list": (with_field(label_run(samples.TASK).tolist()), "labels"),
    "a label": (with_field(UNKNOWN_LABEL), "label"),
    "a recording for a site": (as_site, "name"),
}
