"""Sites that send what they like: the client app, with some of its sites' answers replaced."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from fl_client.app import SiteApp
from fl_client.site.participation import AdmittedTask
from fl_common.vocabulary import Floats
from fl_common.wire import messages as wire

Forge = Callable[[RecordDict], None]
"""Changes the content of an answer in place."""


class HostileApp(SiteApp):
    """Answers as ``app`` does, but for each node of ``forges`` what its forge makes of the answer.

    The sites train as planned first: the attacker has the code, the data and the parameters.
    """

    def __init__(self, app: SiteApp, forges: Mapping[int, Forge]) -> None:
        super().__init__(app._site_of, app._participation)
        self._forges = forges

    def train_admitted(
        self, messages: Sequence[Message], admitted: Sequence[AdmittedTask]
    ) -> list[Message]:
        return [self._forged(reply) for reply in super().train_admitted(messages, admitted)]

    def __call__(self, message: Message, context: Any) -> Message:
        return self._forged(super().__call__(message, context))

    def _forged(self, reply: Message) -> Message:
        forge = self._forges.get(reply.metadata.src_node_id)
        if forge is not None and reply.has_content():
            forge(reply.content)
        return reply


def change_head(**fields: Any) -> Forge:
    """A forge that sets ``fields`` of an answer's head, where it has them."""

    def forge(content: RecordDict) -> None:
        head = content["head"]
        assert isinstance(head, ConfigRecord)
        known = {key: value for key, value in fields.items() if key in head}
        content["head"] = ConfigRecord({**head, **known})

    return forge


def change_update(change: Callable[[Floats], Floats], **fields: Any) -> Forge:
    """A forge that sends ``change`` of the honest update, as one flat array, and ``fields``."""

    def forge(content: RecordDict) -> None:
        if "arrays" not in content:
            return
        change_head(**fields)(content)
        record = content["arrays"]
        assert isinstance(record, ArrayRecord)
        values_E = np.frombuffer(record["values"].data, "<f4")
        with np.errstate(over="ignore"):
            changed_E = np.asarray(change(values_E), np.float32)
        content["arrays"] = ArrayRecord({"values": wire.to_array(changed_E)})

    return forge
