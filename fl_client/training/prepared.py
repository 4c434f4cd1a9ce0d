"""Caches of what a site uses in every round: the front end's output, and the net.

The front end has no parameters (``models.nets``), so its output for a site's windows is the same in
every round. It is cached, within a bound in bytes, as long as the windows themselves exist. So is
the output of the frozen layers with which a body begins, for the parameters that they have.
"""

import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from fl_client.training import LocalTask
from fl_common.errors import BadInput, InvalidData
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats, NetSpec, Parameters, Task, Windows
from models.kinds import kind_of
from models.nets import Net, build_net
from models.parts.frozen import FrozenLayers, frozen_layers

CACHE_BYTES = 1024 * 2**20
_Key = tuple[int, int, bool, bytes]
_CHUNK_WINDOWS = 1024


@dataclass(frozen=True)
class Prepared:
    """A site's windows after the front end: ``inputs`` (N, *front output), ``targets`` (N, ...)."""

    inputs: torch.Tensor
    targets: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Memory of both tensors, in bytes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.inputs, self.targets))

    def with_a_row(self) -> "Prepared":
        """These, or for none a row of zeros, which is in no batch: stacks pad with a row."""
        if len(self.targets):
            return self
        return Prepared(
            *(each.new_zeros(1, *each.shape[1:]) for each in (self.inputs, self.targets))
        )


class PreparedCache:
    """A least-recently-used cache of at most ``capacity`` bytes; drops entries of freed arrays.

    The key is the identity of the net, which the entry holds, and of the values array, which it
    references weakly. So windows that a data set drops are freed, and a reused identity is
    detected.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._nbytes = 0
        self._entries: OrderedDict[_Key, tuple[weakref.ref[Floats], Net, Prepared]] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, plan: RunPlan, windows: Windows) -> Prepared:
        """``windows`` in the form that the plan's net takes; computed unless cached."""
        net, private = net_for(plan), plan.privacy.guarantee is not None
        return self._kept(
            net, windows, private, b"", lambda: _prepare(net, plan.task, windows, private)
        )

    def past(
        self, layers: FrozenLayers, plan: RunPlan, windows: Windows, parameters: Parameters
    ) -> Prepared:
        """``windows`` after the front end and the frozen ``layers``, as in ``parameters``."""
        net, private = net_for(plan), plan.privacy.guarantee is not None

        def make() -> Prepared:
            data = self.get(plan, windows)
            inputs = layers(data.with_a_row().inputs, parameters)
            return Prepared(inputs[: len(data.targets)], data.targets)

        return self._kept(net, windows, private, layers.digest(parameters), make)

    def _kept(
        self,
        net: Net,
        windows: Windows,
        private: bool,
        state: bytes,
        make: Callable[[], Prepared],
    ) -> Prepared:
        key = (id(windows.values), id(net), private, state)
        with self._lock:
            found = self._entries.get(key)
            if found is not None and found[0]() is windows.values:
                self._entries.move_to_end(key)
                return found[2]
        fresh = make()
        with self._lock:
            self._remove(key)
            gone = weakref.ref(windows.values, lambda _: self._drop(key))
            self._entries[key] = (gone, net, fresh)
            self._nbytes += fresh.nbytes
            while self._nbytes > self._capacity and len(self._entries) > 1:
                self._remove(next(iter(self._entries)))
        return fresh

    @property
    def nbytes(self) -> int:
        """Memory of all entries, in bytes."""
        return self._nbytes

    def has_room(self, nbytes: int) -> bool:
        """Whether an entry of this size fits without dropping another."""
        return self._nbytes + nbytes <= self._capacity

    def _drop(self, key: _Key) -> None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None and found[0]() is None:
                self._remove(key)

    def _remove(self, key: _Key) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._nbytes -= entry[2].nbytes


_CACHE = PreparedCache(CACHE_BYTES)


def prepared(task: LocalTask) -> Prepared:
    """The windows of ``task`` after its net's front end, in the windows' own order.

    Raises:
        InvalidData: windows of another shape than the task's, or, without DP, values that are not
            finite; with DP such windows are left out.
        InvalidConfiguration: the plan's net can't be built.
    """
    return _CACHE.get(task.plan, task.windows)


def past_frozen(task: LocalTask) -> Prepared:
    """What ``trained_body`` takes of the windows of ``task``.

    Raises:
        InvalidData, InvalidConfiguration: see ``prepared``.
    """
    layers = _frozen(task.plan)
    if layers is None:
        return prepared(task)
    return _CACHE.past(layers, task.plan, task.windows, task.parameters)


def trained_body(plan: RunPlan) -> nn.Module:
    """The body of the plan's net without the frozen layers that ``past_frozen`` has passed."""
    layers = _frozen(plan)
    return net_for(plan).body if layers is None else layers.rest


def _frozen(plan: RunPlan) -> FrozenLayers | None:
    net = net_for(plan)
    return frozen_layers(net.body, _shape_after_front(net, plan.task))


@lru_cache(maxsize=16)
def _shape_after_front(net: Net, task: Task) -> torch.Size:
    with torch.no_grad():
        return torch.Size(net.front(torch.zeros(1, *task.window_shape)).shape[1:])


def prepare_ahead(plan: RunPlan, all_windows: Iterable[Windows]) -> None:
    """Prepare windows before the first round, as long as there is room.

    Processes forked afterwards share the cache. Windows that can't be prepared are skipped; their
    site refuses in its round.
    """
    for windows in all_windows:
        try:
            made = _CACHE.get(plan, windows)
        except BadInput:
            continue
        if not _CACHE.has_room(made.nbytes):
            return


def net_for(plan: RunPlan) -> Net:
    """The plan's network, built once per process and shared: load parameters before each use.

    The front end is in evaluation mode, the body in training mode. To attach hooks, copy the body.

    Raises:
        InvalidConfiguration: an unknown net, or options or a window shape that it can't take.
    """
    global _last
    last = _last
    if last is None or last[0] is not plan:
        options = json.dumps(dict(plan.net.options), sort_keys=True)
        _last = last = plan, _net(plan.net.target, options, plan.task)
    return last[1]


_last: tuple[RunPlan, Net] | None = None
"""The current round's plan, which all its sites share, and its net."""


@lru_cache(maxsize=16)
def _net(target: str, options: str, task: Task) -> Net:
    net = build_net(NetSpec(target, json.loads(options)), task)
    net.front.eval()
    return net


def _prepare(net: Net, task: Task, windows: Windows, private: bool) -> Prepared:
    """The windows after the front end; ``private`` leaves out those that are not finite.

    Each is judged by itself, so one window more or less is one more or less here, too.
    """
    inputs = _after_front(net, task, windows)
    targets = torch.from_numpy(kind_of(task).targets(windows.labels))
    if bool(torch.isfinite(inputs.sum())):
        return Prepared(inputs, targets)
    finite_N = torch.isfinite(inputs.flatten(1)).all(1)
    if not private and not finite_N.all():
        raise InvalidData(
            f"{int((~finite_N).sum())} of {len(windows)} windows",
            "hold NaN or infinity after the net's front end",
            "Remove those windows from the site's data",
        )
    return Prepared(inputs[finite_N], targets[finite_N])


def _after_front(net: Net, task: Task, windows: Windows) -> torch.Tensor:
    chunks = []
    with torch.no_grad():
        for start in range(0, len(windows), _CHUNK_WINDOWS):
            values = np.array(windows.values[start : start + _CHUNK_WINDOWS], dtype=np.float32)
            chunks.append(net.front(torch.from_numpy(values)))
        if not chunks:
            chunks = [net.front(torch.zeros(1, *task.window_shape))[:0]]
    return chunks[0].contiguous() if len(chunks) == 1 else torch.cat(chunks)
