"""What the link and the runner lean on in flwr, beside its public interface."""

import inspect

import httpx
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.cli.build import build_fab_from_files
from flwr.common.constant import ErrorCode
from flwr.supercore.error import FlowerError
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.superlink.grid import HttpGrid
from flwr.supernode.fleet_http_client import FleetHttpClient

from fl_common.wire import failure
from fl_server.cloud.grid import PatientGrid, _Arriving
from fl_server.cloud.proxy import FLEET_CALLS
from fl_server.cloud.superlink import BUNDLE
from fl_server.rounds import exchange
from simulate.engines.loopback import identify_process


def content(value: float) -> RecordDict:
    arrays = ArrayRecord({"w": Array("float32", (1,), "raw", bytes(int(value) for _ in range(4)))})
    return RecordDict({"head": ConfigRecord({"round": 3}), "arrays": arrays})


def test_the_calls_of_the_fleet_are_the_paths_that_the_proxy_passes_on() -> None:
    source = inspect.getsource(FleetHttpClient)
    for call in (*FLEET_CALLS, "register-node", "get-fab", "unregister-node", "get-run"):
        assert f'"/v1/fleet/{call}"' in source, call
    assert source.count('path="/v1/fleet/') == len(FLEET_CALLS) + 4


def test_a_message_is_put_together_from_its_objects() -> None:
    identify_process()
    message = Message(content(1), 7, "train")
    objects = {key: one.deflate() for key, one in get_all_nested_objects(message).items()}
    tree = get_object_tree(message)
    again = inflate_object_from_contents(tree.object_id, objects)
    assert isinstance(again, Message)
    assert again.content.object_id == message.content.object_id


def test_a_content_s_identity_is_its_values() -> None:
    assert content(1).object_id == content(1).object_id
    assert content(1).object_id != content(2).object_id


def test_a_run_starts_with_a_bundle_that_holds_no_code() -> None:
    bundle, _ = build_fab_from_files(BUNDLE)
    assert b".py" not in bundle


def test_a_grid_takes_a_token_and_names_its_parts() -> None:
    assert "token" in inspect.signature(HttpGrid.__init__).parameters
    grid = HttpGrid("localhost:1", True, None, token="t")
    assert callable(grid._runtime_client.PullTaskInput)
    assert hasattr(grid._retry_invoker, "max_tries")


def test_a_grid_pulls_answers_and_their_parts_one_by_one() -> None:
    client = HttpGrid("localhost:1", True, None, token="t")._runtime_client
    for call in (client.PullMessages, client.PullObject, client.ConfirmMessageReceived):
        assert callable(call)
    assert issubclass(PatientGrid, HttpGrid)
    assert PatientGrid.pull_messages is not HttpGrid.pull_messages


def test_an_answer_of_junk_is_an_error_of_that_node_alone() -> None:
    identify_process()
    grid = PatientGrid("localhost:1", True, None, token="t")
    metadata, number = Message(content(1), 7, "train").metadata, "0" * 64
    reply = grid._message(_Arriving(metadata, number, [], {number: b"junk"}))
    assert reply is not None
    assert "can't be read" in str(reply.error.reason)


def test_flower_s_codes_are_those_that_are_told_apart() -> None:
    codes = ErrorCode.CLIENT_APP_RAISED_EXCEPTION, ErrorCode.MESSAGE_UNAVAILABLE
    assert codes == (failure.APP_RAISED, exchange._UNAVAILABLE)


def test_an_answer_without_flower_s_error_is_none() -> None:
    assert FlowerError.from_json(httpx.Response(401, text="no").text) is None
