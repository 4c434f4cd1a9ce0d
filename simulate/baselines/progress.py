"""Progress of the sites that train alone: one line on a terminal, else about ten in all."""

from rich.text import Text

from simulate.report.drawing import Drawing
from simulate.report.wording import counted

_LINES = 10


class LocalProgress:
    """Hears each round of the sites that train now, of ``sites`` in all."""

    def __init__(self, drawing: Drawing, sites: int, rounds: int) -> None:
        self._drawing, self._sites, self._rounds = drawing, sites, rounds
        self._told = -1

    def __call__(self, ended: int, training: int, round_: int) -> None:
        """Round ``round_`` is over for the ``training`` sites, and ``ended`` have done them all."""
        line = Text(f"round {round_} of {self._rounds} for {self._those(ended, training)}")
        done = ended + training * round_ / self._rounds
        part = int(_LINES * done / self._sites)
        if not self._drawing.show(line) and part > self._told:
            self._told = part
            self._drawing.output.print(line)

    def _those(self, ended: int, training: int) -> str:
        if training == self._sites:
            return counted(training, "site")
        return f"sites {ended + 1:,} to {ended + training:,} of {self._sites:,}"
