"""The checks for authors of extensions: ours pass them, and each fault is found by its name."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cbor2
import numpy as np
import pytest
import torch
from torch import nn

from fl_client.functions.label_change import LabelChange
from fl_client.functions.threshold import Threshold
from fl_client.sensors import Decoded, Decoder, InvalidPayload
from fl_client.sensors.decoders.csv import CsvDecoder
from fl_client.sensors.decoders.json import JsonDecoder
from fl_client.sensors.decoders.raw import RawDecoder
from fl_client.sensors.decoders.senml import SenmlDecoder
from fl_client.testing import check_decoder
from fl_common.functions import FunctionEvent, Predicted
from fl_common.testing import check_function
from fl_common.vocabulary import LocalUpdate, Parameters, Task
from fl_server.aggregation import Aggregator, Fold
from fl_server.aggregation.mean import WeightedMean, WeightedSum
from fl_server.aggregation.robust import CoordinateMedian, TrimmedMean
from fl_server.optimisers.adaptive import FedAdam, FedYogi
from fl_server.optimisers.averaging import FedAvg, FedAvgM
from fl_server.testing import check_aggregator, check_server_optimiser
from models.fronts import Normalise
from models.nets import Net
from models.nets.logistic import Logistic
from models.nets.mlp import Mlp
from models.testing import check_net
from tests.support import samples

LABELS = ("rest", "walk")


@pytest.mark.parametrize("aggregator", [WeightedMean(), TrimmedMean(0.2), CoordinateMedian()])
def test_our_aggregators_pass(aggregator: Aggregator) -> None:
    check_aggregator(aggregator)


@pytest.mark.parametrize(
    "optimiser",
    [FedAvg(1.0), FedAvgM(1.0, 0.9), FedAdam(0.1, 0.9, 0.99, 1e-3), FedYogi(0.1, 0.9, 0.99, 1e-3)],
)
def test_our_optimisers_pass(optimiser: Any) -> None:
    check_server_optimiser(optimiser)


class Faulty(WeightedSum):
    """A fold with one fault."""

    def __init__(self, parameters: Parameters, fault: str) -> None:
        super().__init__(parameters)
        self.fault = fault

    def add(self, update: LocalUpdate) -> None:
        if self.fault == "unchecked":
            return self.accumulate(update.delta, 1.0)
        if self.fault == "late":  # counts a part before it looks
            self._weight += 1.0
        if self.fault == "in place":
            update.delta["layer.bias"][:] = 0
        super().add(update)
        if self.fault == "order":
            self.sums["scale"] *= 2
        return None

    def result(self) -> Parameters:
        if self.fault == "empty":
            return {name: sums.astype(np.float32) for name, sums in self.sums.items()}
        found = super().result()
        if self.fault == "float64":
            return {name: array.astype(np.float64) for name, array in found.items()}
        return found


@dataclass
class FaultyMean:
    fault: str

    def start(self, parameters: Parameters) -> Fold:
        return Faulty(parameters, self.fault)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("empty", "an empty fold has a result"),
        ("unchecked", "must raise BadUpdate"),
        ("late", "an update that was left out changes the result"),
        ("in place", "adding an update changes its arrays"),
        ("order", "the result depends on the order"),
        ("float64", "is float64, not float32"),
    ],
)
def test_a_faulty_aggregator_is_found(fault: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_aggregator(FaultyMean(fault))


class FaultyOptimiser(FedAvg):
    fault = ""

    def step(self, parameters: Any, delta: Any, state: Any) -> Any:
        if self.fault == "in place":
            delta["scale"] += 1
        if self.fault == "overflow":
            with np.errstate(all="ignore"):
                return {name: x + delta[name] for name, x in parameters.items()}, state
        moved, state = super().step(parameters, delta, state)
        if self.fault == "slots":
            return moved, {"more": moved}
        return moved, state


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("in place", "a step changes its arguments"),
        ("overflow", "not an array"),
        ("slots", "other slots after a step"),
    ],
)
def test_a_faulty_optimiser_is_found(
    fault: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FaultyOptimiser, "fault", fault)
    with pytest.raises(AssertionError, match=says):
        check_server_optimiser(FaultyOptimiser(1.0))


PAYLOADS: list[tuple[Decoder, bytes, tuple[str, ...]]] = [
    (
        JsonDecoder("t", "ms", None),
        json.dumps([{"t": 1_700_000_000_000, "a": [1, 2]}]).encode(),
        ("a.0", "a.1"),
    ),
    (
        RawDecoder(["x", "y"], "float32", 50.0, "little", "stamp"),
        np.int64(1_700_000_000 * 10**9).tobytes() + np.zeros((3, 2), "<f4").tobytes(),
        ("x", "y"),
    ),
    (CsvDecoder(["t", "x", "y"], "t", "ms", ";", ".", {}), b"1700000000000;1;2.5\r\n", ("y", "x")),
    (
        SenmlDecoder("json"),
        b'[{"bn":"a:","bt":1700000000,"n":"x","v":1.5},{"n":"y","v":2}]',
        ("a:x", "a:y"),
    ),
    (SenmlDecoder("cbor"), cbor2.dumps([{0: "x", 6: 1700000000, 2: 1.5}]), ("x",)),
]


@pytest.mark.parametrize(
    ("decoder", "payload", "fields"), PAYLOADS, ids=["json", "raw", "csv", "senml", "senml cbor"]
)
def test_our_decoders_pass(decoder: Decoder, payload: bytes, fields: tuple[str, ...]) -> None:
    assert len(check_decoder(decoder, payload, fields).times_N) > 0


@dataclass
class FaultyDecoder:
    fault: str

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        if self.fault == "refuses":
            raise InvalidPayload("size", "always")
        if self.fault == "reason" and payload != b"12":
            raise InvalidPayload("not a word", "")
        if self.fault == "raises":
            float(payload)
        count = 0 if self.fault == "empty" and payload != b"12" else 1
        kind = np.float32 if self.fault == "float32" else np.float64
        values_NC: Any = np.zeros((count, len(fields)), kind)
        return Decoded(np.zeros(count, np.int64), values_NC, None)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("refuses", "the example payload is refused"),
        ("reason", "is not one word"),
        ("raises", "raises ValueError .* InvalidPayload and nothing else"),
        ("empty", "a payload without readings"),
        ("float32", "is float32, not float64"),
    ],
)
def test_a_faulty_decoder_is_found(fault: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_decoder(FaultyDecoder(fault), b"12", ("x",))


@pytest.mark.parametrize(
    ("net_class", "options"), [(Logistic, {}), (Mlp, {"hidden": [3], "activation": "tanh"})]
)
def test_our_nets_pass(net_class: type[Net], options: dict[str, Any]) -> None:
    check_net(net_class, samples.TASK, **options)


class _Centred(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs - inputs.mean(0)


class FaultyNet(Net):
    """A net with one fault."""

    def __init__(self, task: Task, *, fault: str) -> None:
        size, labels = 16, len(task.labels) + (fault == "labels")
        layers: list[nn.Module] = [nn.Linear(size, labels)]
        if fault == "batch":
            layers.insert(0, nn.BatchNorm1d(size))
        if fault == "mean":
            layers.insert(0, _Centred())
        if fault == "seed":
            nn.init.constant_(layers[0].weight, np.random.default_rng().random())  # type: ignore[arg-type]
        if fault == "unused":
            layers[0].register_parameter("more", nn.Parameter(torch.zeros(2)))
        super().__init__(nn.Sequential(Normalise(task), nn.Flatten()), nn.Sequential(*layers))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("labels", "outputs have shape"),
        ("batch", "can't train it with DP: BatchNorm"),
        ("mean", "depends on the other windows"),
        ("seed", "the same seed gives other parameters"),
        ("unused", "takes no part in the loss"),
    ],
)
def test_a_faulty_net_is_found(fault: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_net(FaultyNet, samples.TASK, fault=fault)


@pytest.mark.parametrize(
    "make",
    [lambda: LabelChange(2), lambda: Threshold("walk", 0.8, 0.5, 3)],
    ids=["change", "alarm"],
)
def test_our_functions_pass(make: Callable[[], Any]) -> None:
    check_function(make, LABELS)


@pytest.mark.parametrize(
    ("given", "says"),
    [("text", "gives str"), (FunctionEvent("a", {"x": {1}}), "not JSON")],
    ids=["no event", "no JSON"],
)
def test_a_faulty_function_is_found(given: Any, says: str) -> None:
    def function(predicted: Predicted) -> Iterable[Any]:
        return (given,)

    with pytest.raises(AssertionError, match=says):
        check_function(lambda: function, LABELS)


def test_a_function_that_remembers_other_runs_is_found() -> None:
    seen: list[Predicted] = []

    def function(predicted: Predicted) -> Iterable[FunctionEvent]:
        seen.append(predicted)
        return (FunctionEvent("count", {"seen": len(seen)}),)

    with pytest.raises(AssertionError, match="something else in the same predictions"):
        check_function(lambda: function, LABELS)
