"""What is drawn over and over in one place of a terminal."""

from contextlib import AbstractContextManager

import rich.console
from rich.live import Live


class Drawing(AbstractContextManager["Drawing"]):
    """A place on the terminal of ``output``; elsewhere (a file, a pipe, a CI log) there is none.

    It is drawn by no thread of its own, so worker processes can be forked at any time. On leaving,
    also by an error, the terminal is whole again.
    """

    def __init__(self, output: rich.console.Console) -> None:
        self.output = output
        self._live: Live | None = None

    def show(self, what: rich.console.RenderableType) -> bool:
        """Draw ``what`` over what was there before; False where ``output`` is no terminal."""
        if not self.output.is_terminal or self.output.is_dumb_terminal:
            return False
        if self._live is None:
            self._live = Live(console=self.output, auto_refresh=False)
            self._live.start()
        self._live.update(what, refresh=True)
        return True

    def close(self) -> None:
        """Leave what was drawn as it stands; the next is drawn below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __exit__(self, *_: object) -> None:
        self.close()
