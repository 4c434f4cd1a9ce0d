"""The CloudEvents SDK asks ``fl-fn serve``; what it reads of the answers goes out as JSON.

It runs in an environment of its own (``benchmarks.measuring.environments.judge_python``).

    python cloud_events_client.py PORT MODE    events in lines of JSON on standard input; MODE is
                                               binary or structured
"""

import json
import sys
from http.client import HTTPConnection
from typing import Any

from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

_FORMAT = JSONFormat()
_BATCH = "application/cloudevents-batch+json"


def asked(connection: HTTPConnection, data: Any, number: int, mode: str) -> list[Any]:
    """The status, and the id, type and data of each event of the reply."""
    attributes = {"id": f"e{number}", "source": "urn:judge", "type": "any", "specversion": "1.0",
                  "datacontenttype": "application/json"}  # fmt: skip
    event = CloudEvent(attributes, data)
    write = http.to_binary if mode == "binary" else http.to_structured
    message = write(event, _FORMAT)
    connection.request("POST", "/", message.body, message.headers)
    reply = connection.getresponse()
    body = reply.read()
    if reply.status != 200:
        return [reply.status]
    if reply.headers["content-type"] == _BATCH:
        parts = [json.dumps(one).encode() for one in json.loads(body)]
        found = [_FORMAT.read(CloudEvent, part) for part in parts]
    else:
        found = [http.from_http(http.HTTPMessage(dict(reply.headers), body), _FORMAT, CloudEvent)]
    return [reply.status, *([one.get_id(), one.get_type(), one.get_data()] for one in found)]


def main() -> None:
    """Ask for each line."""
    connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    for number, line in enumerate(sys.stdin):
        answer = asked(connection, json.loads(line), number, sys.argv[2])
        sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
