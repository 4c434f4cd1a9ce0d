"""Build a node's functions: their process, and what shows windows to them."""

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from fl_client.components.sandbox import grant_of
from fl_client.functions.feed import FunctionFeed
from fl_client.functions.host import FunctionSource, HostLimits
from fl_client.functions.host.asking import Answering, AskingNetworks
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_client.functions.thread import FunctionThread
from fl_client.store.function_inbox import FunctionInbox
from fl_client.store.function_memory import FunctionMemory
from fl_common.configuration.rules import Config
from fl_common.programs.troubles import Troubles


@dataclass(frozen=True)
class BoxFunctions:
    """The functions that are ``running``, their process, and the thread that shows windows to them.

    At most ``waiting`` windows wait in the store; ``serves`` says whether these networks do, or
    without any the model, which functions may ask.
    """

    running: Functions
    host: HostProcess
    thread: FunctionThread
    waiting: int
    serves: Callable[[Collection[str]], bool]

    def feed(self, connection: sqlite3.Connection, noted: Callable[[], None]) -> FunctionFeed:
        """What feeds them from a site's store; ``noted`` is called after some have answered."""
        inbox = FunctionInbox(connection, self.waiting)
        return FunctionFeed(self.thread, inbox, FunctionMemory(connection), noted, self.serves)

    def close(self) -> None:
        """End the process; windows that are under way wait in the store."""
        self.host.close()
        self.thread.close()


def build_functions(
    config: Config,
    model: Answering,
    networks: AskingNetworks,
    serves: Callable[[Collection[str]], bool],
    troubles: Troubles,
) -> BoxFunctions:
    """The configured functions, which may ask ``model`` and, by name, ``networks``.

    ``serves`` says whether these answer.

    Raises:
        InvalidConfiguration: a value that can't be used, or a function that can't be made.
    """
    declared, values = config["functions"], config["function_host"]
    grant = grant_of(config["components"])
    sandboxed = grant.megabytes if grant else 0.0
    limits = HostLimits(values["seconds"], values["megabytes"], sandboxed)
    host = HostProcess(Path(config["home"]), limits, troubles, model, networks=networks)
    sources = {name: FunctionSource(node, f"functions.{name}") for name, node in declared.items()}
    try:
        functions = Functions(sources, host, config["failures_allowed"])
    except BaseException:
        host.close()
        raise
    thread = FunctionThread(functions, troubles)
    return BoxFunctions(functions, host, thread, values["waiting"], serves)
