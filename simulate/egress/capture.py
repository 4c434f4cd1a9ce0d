"""Captures every message that leaves a site, as the bytes that Flower puts on the wire.

Flower sends a message as a tree of objects, each deflated to bytes separately (the message's
metadata, its records, their arrays, the arrays' chunks), and each only once. No library is named
here: a message can deflate itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fl_client.release.gateway import SENTENCES, is_public
from fl_common.plan import RunPlan
from fl_common.vocabulary import Evaluation, LocalUpdate, Parameters, Refusal, ShadowCounts
from fl_common.wire import inventory as wire_running
from fl_common.wire import messages as wire
from models.nets import build_net, parameters_of, trained_part


@dataclass(frozen=True)
class Sent:
    """One message: what was ``asked`` (train, evaluate, query), and the ``kind`` of the answer.

    ``objects`` are the bytes on the wire, by the type of object; ``fields`` the types by name;
    ``undeclared`` lists what it holds beyond what its kind declares.
    """

    node: int
    asked: str
    kind: str
    objects: tuple[tuple[str, bytes], ...]
    fields: Mapping[str, str]
    undeclared: str

    @property
    def size(self) -> int:
        """Bytes on the wire, without the transport's framing."""
        return sum(len(content) for _, content in self.objects)


@dataclass
class Capture:
    """Captures messages of a run of ``plan``: call it with each.

    ``failure`` is the reason if the run could not continue.
    """

    plan: RunPlan
    sent: list[Sent] = field(default_factory=list)
    failure: str = ""
    _shapes: Parameters = field(init=False)

    def __post_init__(self) -> None:
        net = build_net(self.plan.net, self.plan.task)
        self._shapes = trained_part(net, parameters_of(net))

    def __call__(self, message: Any) -> None:
        """Capture ``message``."""
        kind, undeclared = "error", ""
        fields = {"code": "int", "reason": "str"}
        if message.has_content():
            kind, undeclared = self._understood(message.content)
            fields = dict(_fields(message.content))
        metadata = message.metadata
        self.sent.append(
            Sent(
                node=metadata.src_node_id,
                asked=metadata.message_type,
                kind=kind,
                objects=tuple(_objects(message)),
                fields=fields,
                undeclared=undeclared,
            )
        )

    def _understood(self, content: Any) -> tuple[str, str]:
        """The kind of ``content``, and anything in it that its kind does not declare.

        Decoding and encoding it again must give the same bytes: then it holds nothing but the
        fields of the vocabulary.
        """
        try:
            kind, answer, again = _read(content, self._shapes)
        except wire.WireError as error:
            return "unknown", f"can't be read: {error}"
        if more := {*_fields(content)} - {*_fields(again)}:
            return kind, f"undeclared field {min(more)[0]}"
        if {*_objects(content)} != {*_objects(again)}:
            return kind, "undeclared bytes beside the declared fields"
        if isinstance(answer, Refusal) and not self._may_say(answer):
            return kind, "free text, where only the fixed sentence of its reason may leave"
        return kind, ""

    def _may_say(self, refusal: Refusal) -> bool:
        return is_public(self.plan) or refusal.detail == SENTENCES[refusal.reason]


Reply = LocalUpdate | Refusal | Evaluation | ShadowCounts


def _read(content: Any, like: Parameters) -> tuple[str, Reply | None, Any]:
    """The kind of ``content``, its answer (None for a name), and the same written again."""
    with suppress(wire.WireError):
        name = wire.read_name(content)
        return "name", None, wire.write_name(*name)
    with suppress(wire.WireError):
        return "running", None, wire_running.write_running(wire_running.read_running(content))
    answer = wire.read_answer(content, like)
    again = wire.write_answer(answer)
    if isinstance(answer, Refusal):
        return f"refusal ({answer.reason})", answer, again
    if isinstance(answer, ShadowCounts):
        return "shadow", answer, again
    return "update" if isinstance(answer, LocalUpdate) else "evaluation", answer, again


def _fields(content: Any) -> Iterator[tuple[str, str]]:
    """Name and type of every field of every record."""
    for record_name, record in content.items():
        for name, value in record.items():
            kind = type(value).__name__
            if kind == "Array":
                kind = f"{value.dtype} {tuple(value.shape)}"
            yield f"{record_name}/{name}", kind


def _objects(root: Any) -> Iterator[tuple[str, bytes]]:
    """Type and bytes of ``root`` and all below it, as Flower sends them; the same ones once."""
    seen = set()
    waiting = [root]
    while waiting:
        object_ = waiting.pop()
        content = object_.deflate()
        if content not in seen:
            seen.add(content)
            yield type(object_).__name__, content
            waiting.extend((object_.children or {}).values())
