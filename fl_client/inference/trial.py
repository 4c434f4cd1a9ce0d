"""A model's first trial, in a child process, before this process loads it.

A model is a program: it may never end, or allocate all memory, already while it is loaded. So a
version that was never tried here is loaded and run on typical readings in a child with limits.
Run as a program, this module is the child.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module

from fl_client.inference.slots import ModelSlot
from fl_common.components.network import NetworkSpec
from fl_common.programs.limited_child import ChildLimits, answer_confined, run_confined
from fl_common.vocabulary import Task

_MODULE = "fl_client.inference.trial"
Trial = Callable[[bytes, Task | None, int], None]
"""Tries the model with this content on batches of up to so many windows of a task (None: loads it).

Raises InvalidData if it can't serve, and OSError if it can't be tried now."""


def trial_within(seconds: float, megabytes: float) -> Trial:
    """A trial in a child process with these limits.

    Raises:
        InvalidConfiguration: a limit that is not positive.
    """
    limits = ChildLimits(seconds, megabytes)

    def try_model(content: bytes, task: Task | None, largest_batch: int) -> None:
        head = {"task": task.to_fields() if task else None, "largest_batch": largest_batch}
        run_confined(_MODULE, json.dumps(head).encode() + b"\n" + content, limits)

    return try_model


def network_trial(slot: ModelSlot, seconds: float, megabytes: float) -> Trial:
    """A trial of networks in ``slot``, each as its description there says how it is asked.

    It may take the memory that its description claims, and ``megabytes`` at most.

    Raises:
        InvalidConfiguration: a limit that is not positive.
    """
    ChildLimits(seconds, megabytes)

    def try_network(content: bytes, _task: Task | None, _largest_batch: int) -> None:
        about = slot.about(hashlib.sha256(content).hexdigest())
        spec = NetworkSpec.read({"network": about})
        limits = ChildLimits(seconds, min(megabytes, spec.megabytes))
        head = {"task": None, "network": spec.to_fields()}
        run_confined(_MODULE, json.dumps(head).encode() + b"\n" + content, limits)

    return try_network


class Trials:
    """Tries each version of ``slot`` once by ``trial``, and notes in the slot that it passed.

    ``in_background``: in a thread, one version at a time.
    """

    def __init__(self, slot: ModelSlot, trial: Trial, *, in_background: bool) -> None:
        self._slot, self._trial, self._in_background = slot, trial, in_background
        self._running: tuple[str, Future[None]] | None = None

    def is_running(self) -> bool:
        """Whether a trial has not ended yet."""
        return self._running is not None and not self._running[1].done()

    def passed(self, digest: str, content: bytes, task: Task | None, largest_batch: int) -> bool:
        """Whether it passed; False while its trial runs, or waits for another one.

        Raises:
            InvalidData: it failed.
            OSError: it could not be tried.
        """
        if self._slot.was_tried(digest):
            return True
        if self._running is None:
            self._begin(digest, content, task, largest_batch)
        assert self._running is not None
        tried, result = self._running
        if not result.done():
            return False
        self._running = None
        if tried != digest:
            return self.passed(digest, content, task, largest_batch)
        result.result()
        self._slot.note_tried(digest)
        return True

    def _begin(self, digest: str, content: bytes, task: Task | None, largest_batch: int) -> None:
        result: Future[None] = Future()
        self._running = digest, result

        def work() -> None:
            try:
                self._trial(content, task, largest_batch)
                result.set_result(None)
            except BaseException as error:
                result.set_exception(error)

        if self._in_background:
            threading.Thread(target=work, name="trial", daemon=True).start()
        else:
            work()


def _answer(request: bytes) -> bytes:
    """In the child: load the model, and run it."""
    from fl_client.inference.network import Network
    from fl_client.inference.onnx_model import OnnxModel
    from fl_client.inference.task_checks import ready

    head, _, content = request.partition(b"\n")
    fields = json.loads(head)
    if "network" in fields:
        network = Network(OnnxModel(content, threads=1), NetworkSpec(**fields["network"]))
        network.ask(network.typical())
    elif fields["task"] is None:
        OnnxModel(content, threads=1)
    else:
        ready(content, Task.from_fields(fields["task"]), 1, fields["largest_batch"])
    return b""


if __name__ == "__main__":
    import_module("fl_client.inference.network")
    import_module("fl_client.inference.task_checks")  # before the limits, which are the model's
    answer_confined(_answer)
