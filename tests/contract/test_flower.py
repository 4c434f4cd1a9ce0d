"""What this project leans on in the pinned Flower: when one of these fails, the pin has moved."""

import inspect

import pytest
from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.task_identity import TaskIdentity

from fl_common.wire.failure import SENTENCE
from simulate.engines.loopback import CohortResponder, LoopbackGrid
from simulate.engines.workers import ThisProcess


class Echo(ClientApp):
    """A client app that names its partition, and raises on partition 2."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[int] = []
        self.cohorts: list[int] = []
        self.query()(self.reply)

    def admit(self, asked: list[tuple[Message, Context]]) -> list[Context]:
        self.begun.append(len(asked))
        if any(context.node_config["partition-id"] == 2 for _, context in asked):
            raise RuntimeError("broken site")
        return [context for _, context in asked]

    def train_admitted(self, messages: list[Message], begun: list[Context]) -> list[Message]:
        self.cohorts.append(len(messages))
        return [self.reply(m, context) for m, context in zip(messages, begun, strict=True)]

    def reply(self, message: Message, context: Context) -> Message:
        if context.node_config["partition-id"] == 2:
            raise ValueError("broken site")
        return Message(RecordDict(), reply_to=message)


def grid(app: Echo, cohort_size: int = 2) -> LoopbackGrid:
    mib = cohort_size / 2**20  # messages without content count as a byte
    return LoopbackGrid(ThisProcess(CohortResponder(app, 5)), 5, 1, mib)  # type: ignore[arg-type]


def test_a_grid_is_a_public_abstract_class_with_these_methods() -> None:
    assert inspect.isabstract(Grid)
    assert Grid.__abstractmethods__ == {
        "set_run", "run", "create_message", "get_node_ids", "push_messages", "pull_messages",
        "send_and_receive",
    }  # fmt: skip


def test_a_message_needs_the_identity_of_a_task() -> None:
    TaskIdentity._run_id = None  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="run_id"):
        Message(RecordDict(), 1, "train")
    grid(Echo())
    assert Message(RecordDict(), 1, "train").metadata.dst_node_id == 1


def test_train_messages_come_as_cohorts_and_replies_keep_their_message() -> None:
    app = Echo()
    network = grid(app)
    messages = [Message(RecordDict(), node, "train") for node in (1, 2, 4, 5)]
    identities = network.push_messages(messages)
    replies = list(network.pull_messages(identities))
    assert (app.begun, app.cohorts) == ([4], [2, 2])  # debited at once, trained in turn
    assert [reply.metadata.reply_to_message_id for reply in replies] == identities
    assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 4, 5]
    assert list(network.pull_messages(identities)) == []


def test_a_site_that_can_not_begin_fails_alone() -> None:
    app = Echo()
    replies = grid(app).send_and_receive([Message(RecordDict(), n, "train") for n in range(1, 6)])
    assert [reply.has_error() for reply in replies] == [False, False, True, False, False]
    assert replies[2].error.reason == SENTENCE
    assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3, 4, 5]
    assert app.cohorts == [2, 1, 1]


def test_replies_are_made_only_as_they_are_read() -> None:
    app = Echo()
    network = grid(app)
    messages = [Message(RecordDict(), node, "train") for node in (1, 2, 4, 5)]
    replies = iter(network.pull_messages(network.push_messages(messages)))
    next(replies)
    assert app.cohorts == [2]


def test_an_app_that_raises_becomes_an_error_reply() -> None:
    replies = grid(Echo()).send_and_receive([Message(RecordDict(), n, "query") for n in (2, 3)])
    assert replies[0].has_content()
    assert replies[1].has_error()
    assert isinstance(replies[1].error, Error)
    assert replies[1].error.reason == SENTENCE


def test_a_server_app_is_called_with_grid_and_context() -> None:
    seen: list[int] = []
    app = ServerApp()

    @app.main()
    def main(network: Grid, context: Context) -> None:
        seen.extend(network.get_node_ids())

    app(grid(Echo()), Context(1, 0, {}, RecordDict(), {}))
    assert seen == [1, 2, 3, 4, 5]


def test_a_million_nodes_cost_nothing() -> None:
    network = LoopbackGrid(ThisProcess(CohortResponder(Echo(), 1_000_000)), 1_000_000, 1, 64)  # type: ignore[arg-type]
    assert isinstance(network.get_node_ids(), range)
