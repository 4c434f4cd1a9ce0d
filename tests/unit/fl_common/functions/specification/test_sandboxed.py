"""function.json of format 2: what it says, and how each fault of it is refused."""

import json
from typing import Any

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.specification import read_function
from fl_common.functions.specification.class_form import ClassFunction
from fl_common.functions.specification.sandboxed import SandboxedSpec
from tests.support.sandboxes import LIMITS, fields_of


def test_it_is_read_whole() -> None:
    spec = read_function(json.dumps(fields_of(labels=["a"], settings={"x": 1})).encode())
    assert isinstance(spec, SandboxedSpec)
    assert (spec.form, spec.file, spec.called) == ("python", "function.py", "handle")
    assert (spec.on, sorted(spec.needs)) == ((("prediction", "*"),), ["emit", "log", "state"])
    assert (json.loads(spec.settings), spec.limits.fuel) == ({"x": 1}, LIMITS["fuel"])


def test_format_1_is_a_class() -> None:
    fields = {"class": "a.B", "arguments": {}, "labels": ["rest"]}
    assert isinstance(read_function(json.dumps(fields).encode()), ClassFunction)


def test_a_class_may_take_other_events_and_ask_networks() -> None:
    fields = {"class": "a.B", "arguments": {}, "labels": []}
    spec = read_function(
        json.dumps({**fields, "on": [{"window": "*"}], "asks": ["a", "b"]}).encode()
    )
    assert isinstance(spec, ClassFunction)
    assert (spec.on, spec.asks) == ((("window", "*"),), ("a", "b"))
    assert not spec.is_on_predictions
    faults: list[dict[str, Any]] = [
        *({"on": []}, {"asks": []}, {"asks": ["a", "a"]}, {"asks": ["../a"]}, {"more": 1}),
    ]
    for wrong in faults:
        with pytest.raises(InvalidData):
            read_function(json.dumps({**fields, **wrong}).encode())


def test_source_text_may_ask_one_network_if_it_needs_infer() -> None:
    fields = fields_of(needs=["emit", "infer"], asks="speech")
    spec = read_function(json.dumps(fields).encode())
    assert isinstance(spec, SandboxedSpec)
    assert spec.asks == "speech"
    for wrong in ({"needs": ["emit"]}, {"asks": ["speech"]}, {"asks": ""}, {"asks": "A B"}):
        with pytest.raises(InvalidData, match="asks"):
            read_function(json.dumps({**fields, **wrong}).encode())


def _deep(name: str) -> dict[str, Any]:
    inside: dict[str, Any] = {}
    for _ in range(200):
        inside = {name: inside}
    return inside


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "format": ({"format": 3}, "must be 2"),
    "form": ({"form": "rust"}, "python or wasm"),
    "file": ({"file": "../function.py"}, "ends with .py"),
    "ending": ({"file": "function.wasm"}, "ends with .py"),
    "interface": ({"interface": "jointhedots:function@2.0"}, "jointhedots:function@1.0"),
    "world": ({"world": "model"}, "rule or shape"),
    "on": ({"on": []}, "list of objects"),
    "on what": ({"on": [{"weather": "*"}]}, "list of objects"),
    "labels": ({"labels": "rest"}, "list of strings"),
    "needs": ({"needs": ["network"]}, "emit, state, log"),
    "needs twice": ({"needs": ["emit", "emit"]}, "each once"),
    "emits without need": ({"needs": []}, "exactly if it needs emit"),
    "emits": ({"emits": {"a": {"type": "nothing"}}}, "no JSON schema"),
    "emits of elsewhere": ({"emits": {"a": {"$ref": "http://x"}}}, "the keyword $ref"),
    "emits of a file": (
        {"emits": {"a": {"properties": {"x": {"$dynamicRef": "file:///etc/hostname"}}}}},
        "the keyword $dynamicRef"),
    "a pattern": ({"emits": {"a": {"anyOf": [{"pattern": "(a+)+$"}]}}}, "the keyword pattern"),
    "large emits": ({"emits": {"a": {"description": "x" * 70_000}}}, "Stay below 65,536"),
    "deep emits": ({"emits": {"a": _deep("not")}}, "deeper than 32"),
    "deep settings": ({"settings": _deep("in")}, "deeper than 32"),
    "NaN in settings": ({"settings": {"x": float("nan")}}, "it has NaN"),
    "much of on": ({"on": [{"tick": str(n)} for n in range(1, 50)]}, "16 at most"),
    "on twice": ({"on": [{"tick": "9"}, {"tick": "9"}]}, "each once"),
    "fuel without end": ({"limits": {**LIMITS, "fuel": 10**30}}, "can be 1,000,000,000,000"),
    "large events": ({"limits": {**LIMITS, "event_bytes": 10**9}}, "can be 524,288 at most"),
    "settings": ({"settings": []}, "must be an object"),
    "state_version": ({"state_version": 0}, "at least 1"),
    "limits": ({"limits": {"fuel": 1}}, "must have fuel, memory_mb"),
    "limit": ({"limits": {**LIMITS, "fuel": 0}}, "limits.fuel"),
    "a limit in words": ({"limits": {**LIMITS, "fuel": "many"}}, "limits.fuel=many: must be"),
    "limit of events": ({"limits": {**LIMITS, "events": 5000}}, "can be 1,000 at most"),
    "on_failure": ({"on_failure": {}}, "after how many failures"),
    "disable_after": (
        {"on_failure": {"disable_after": {"failures": 9, "of_last": 2}}}, "at most of_last"),
    "long window": (
        {"on_failure": {"disable_after": {"failures": 9, "of_last": 10**9}}}, "10,000 at most"),
    "unknown": ({"network": True}, "is not known"),
    "pure": ({"world": "shape", "on": [{"window": "*"}]}, "must be empty for a shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_refused_in_one_line(name: str) -> None:
    changes, words = FAULTS[name]
    with pytest.raises(InvalidData) as caught:
        read_function(json.dumps(fields_of(**changes)).encode())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_property_may_have_the_name_of_a_keyword_that_is_not_taken() -> None:
    schema = {"properties": {"pattern": {"type": "string"}}, "required": ["pattern"]}
    spec = SandboxedSpec.read(fields_of(emits={"a": schema}))
    assert spec.schemas.why_unfit("a", {"pattern": "x"}) == ""
    assert "'pattern' is a required property" in spec.schemas.why_unfit("a", {})


def test_a_name_that_stands_twice_is_refused() -> None:
    twice = json.dumps(fields_of()).replace('{"format": 2', '{"needs": [], "format": 2', 1)
    with pytest.raises(InvalidData, match="names something twice"):
        read_function(twice.encode())


def test_what_is_missing_is_named() -> None:
    fields = fields_of()
    del fields["needs"], fields["limits"]
    with pytest.raises(InvalidData, match="needs, limits: is missing"):
        read_function(json.dumps(fields).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 10**5, b'{"format": 2}', b"\xff"])
def test_no_other_file_is_one(content: bytes) -> None:
    with pytest.raises(InvalidData):
        read_function(content)


def test_more_than_is_granted_is_refused_with_the_figure() -> None:
    spec = SandboxedSpec.read(fields_of())
    granted = SandboxedSpec.read(fields_of(limits={**LIMITS, "fuel": 10**6})).limits
    spec.limits.check_within(spec.limits, "this box grants")
    with pytest.raises(InvalidData, match=r"limits.fuel=50,000,000 .*1,000,000"):
        spec.limits.check_within(granted, "this box grants")
