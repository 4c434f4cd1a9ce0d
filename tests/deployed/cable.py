"""A cable between a site and the server that a test may cut, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.proxy import Proxy


class Cable:
    """Passes on what reaches ``port``, as ``tests.support.proxy`` does."""

    def __init__(self, target: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxy = Proxy(target)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._soon(self._proxy.mend)
        asyncio.run_coroutine_threadsafe(self._proxy.__aexit__(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def port(self) -> int:
        return self._proxy.port

    @property
    def is_cut(self) -> bool:
        return not self._proxy.whole

    def cut_after(self, size: int) -> None:
        """Cut it when about ``size`` bytes more have passed; nobody is told."""
        self._soon(lambda: self._proxy.cut_after(size))

    def mend(self) -> None:
        """Let new connections pass; those from before the cut are dead."""
        self._soon(self._proxy.mend)

    def _soon(self, call: Callable[[], None]) -> None:
        async def called() -> None:
            call()

        asyncio.run_coroutine_threadsafe(called(), self._loop).result()
