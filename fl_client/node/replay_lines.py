"""The file of ``fl-client replay --out``: every prediction and event as a line of JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fl_client.functions.shown import Shown
from fl_client.inference.events import told_of
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import whole_file
from fl_common.functions.events import Event, Predicted
from fl_common.vocabulary import Task


class ReplayLines:
    """Writes to ``file``; without one it writes nothing."""

    def __init__(self, task: Task, file: BinaryIO | None) -> None:
        self._task, self._file = task, file

    def prediction(self, predicted: Predicted) -> None:
        """A prediction."""
        told = told_of(self._task, predicted)
        self._write({**_named(predicted), "start_ns": predicted.start_ns, **told})

    def shown(self, shown: Shown) -> None:
        """A prediction, and the events that functions have found in it."""
        if isinstance(shown.event, Predicted):
            self.prediction(shown.event)
        named = _named(shown.event)
        for name, event in shown.found:
            self._write({"function": name, **named, "kind": event.kind, **event.data})

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(f"{json.dumps(line)}\n".encode())


@contextmanager
def written(path: Path | None) -> Iterator[BinaryIO | None]:
    """A file that appears at ``path`` when the block ends without an error; None: none.

    Raises:
        InvalidConfiguration: it can't be written.
    """
    if path is None:
        yield None
        return
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise InvalidConfiguration(
            f"--out={path}", f"can't be written ({error.strerror})", "Give another file"
        ) from error


def _named(predicted: Event) -> dict[str, str]:
    """The window's stream, if it has a name."""
    return {"stream": predicted.stream} if predicted.stream else {}
