"""Every command of ``fl-repo``, in the order of a component's life cycle."""

from collections.abc import Sequence

from fl_server.repository.commands.add import ADD, INIT
from fl_server.repository.commands.catalogue import CATALOGUE
from fl_server.repository.commands.get import GET
from fl_server.repository.commands.options import Command, Group
from fl_server.repository.commands.promotion import CHECK, PROMOTE, RETIRE, ROLLBACK
from fl_server.repository.commands.transfer import IMPORT, PULL_OCI, PUSH_OCI
from fl_server.repository.commands.upkeep import GC, KEYS, REFRESH
from fl_server.repository.commands.views import LIST, LOG, SHOW, VERIFY

COMMANDS: Sequence[Command | Group] = (
    INIT, KEYS, ADD, LIST, SHOW, CHECK, VERIFY, PROMOTE, ROLLBACK, RETIRE, LOG, REFRESH, GC,
    GET, IMPORT, CATALOGUE, PUSH_OCI, PULL_OCI,
)  # fmt: skip
