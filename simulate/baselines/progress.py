"""Progress of the sites that train alone: one line on a terminal, else about ten in all."""

from types import TracebackType

import rich.console
from rich.status import Status

from simulate.report.wording import counted

_LINES = 10


class LocalProgress:
    """Hears each round of the sites that train now, of ``sites`` in all; a context manager."""

    def __init__(self, output: rich.console.Console, sites: int, rounds: int) -> None:
        self._output, self._sites, self._rounds = output, sites, rounds
        self._status: Status | None = None
        self._told = -1

    def __enter__(self) -> "LocalProgress":
        if self._output.is_terminal:
            self._status = self._output.status("")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, ended: int, training: int, round_: int) -> None:
        """Round ``round_`` is over for the ``training`` sites, and ``ended`` have done them all."""
        done = ended + training * round_ / self._rounds
        line = (
            f"{ended:,} of {counted(self._sites, 'site')} done; round {round_} of {self._rounds}"
            f" for the next {training:,}"
        )
        if self._status is not None:
            self._status.update(line)
        elif (part := int(_LINES * done / self._sites)) > self._told:
            self._told = part
            self._output.print(line)
