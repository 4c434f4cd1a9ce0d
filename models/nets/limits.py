"""Limits on a net that somebody else names: it is checked before, and while, it is built.

A plan names a net and its options in a few bytes, and may name gigabytes of parameters or a million
layers. The parameters come with it, so their sizes are known: no net is built beyond them. It is
stopped at the first array that is too much, whose memory has not been touched yet.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules import module as registration

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Parameters

MOST_VALUES, DEEPEST, LONGEST_TEXT = 256, 4, 256
LARGEST_NUMBER = 2**20
"""Options: numbers and texts in all, lists in lists, characters, and the largest number."""

_MOST_MODULES = 4096
_SPARE, _TIMES = 2**16, 4
"""A constructor may make more than it keeps: so many entries and arrays more, and times as many."""

_BUILDING = threading.Lock()


def check_options(options: Mapping[str, Any]) -> None:
    """Raise InvalidConfiguration for options of a net that are too many, too deep or too large."""
    left = MOST_VALUES
    waiting: list[tuple[Any, int]] = [(options, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, Mapping | list | tuple):
            parts = list(value.values()) if isinstance(value, Mapping) else value
            left -= max(1, len(parts))
            if depth >= DEEPEST or left < 0:
                raise _beyond(f"at most {MOST_VALUES} values, in lists {DEEPEST} deep at most")
            waiting += [(part, depth + 1) for part in parts]
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise _beyond(f"texts of at most {LONGEST_TEXT} characters")
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
            raise _beyond(f"numbers up to {LARGEST_NUMBER}")


@contextmanager
def within(parameters: Parameters) -> Iterator[None]:
    """Let no net be built here that has far more arrays or entries than ``parameters``.

    Raises:
        InvalidConfiguration: as soon as a constructor goes beyond that.
    """
    sizes = [array.size for array in parameters.values()]
    count = _Count(_TIMES * len(sizes) + 64, _TIMES * sum(sizes) + _SPARE)
    hooks = (
        (registration.register_module_parameter_registration_hook, count.array),
        (registration.register_module_buffer_registration_hook, count.array),
        (registration.register_module_module_registration_hook, count.module),
    )
    with _BUILDING:
        handles = [register(hook) for register, hook in hooks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Count:
    """What one construction has registered so far."""

    def __init__(self, arrays: int, entries: int) -> None:
        self._thread = threading.get_ident()
        self._arrays, self._entries, self._modules = arrays, entries, _MOST_MODULES

    def array(self, module: nn.Module, name: str, tensor: Any) -> None:
        """Count a parameter or a buffer."""
        if tensor is None or threading.get_ident() != self._thread:
            return
        self._arrays -= 1
        self._entries -= math.prod(tensor.shape)
        if min(self._arrays, self._entries) < 0:
            raise _beyond("no more than the parameters that came with it")

    def module(self, module: nn.Module, name: str, part: Any) -> None:
        """Count a layer."""
        if threading.get_ident() == self._thread:
            self._modules -= 1
            if self._modules < 0:
                raise _beyond(f"at most {_MOST_MODULES} layers")


def _beyond(rule: str) -> InvalidConfiguration:
    return InvalidConfiguration(
        "the net that the plan names",
        f"may have {rule}",
        "Send parameters of the net that the plan names, and options within these limits",
    )
