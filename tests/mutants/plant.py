"""A planted fault."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """``text``, which is once in ``file``, becomes ``instead``; one of ``tests`` must fail then."""

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]
