"""Packages that only some commands need, and the extra that installs them.

``pip install join-the-dots`` installs a box that senses and infers. To train, to serve a federation
or to simulate one needs more. A command checks this before it starts, so that a missing package
never leaves something half-done.
"""

from collections.abc import Iterable
from importlib.util import find_spec

from fl_common.errors import InvalidConfiguration

TRAIN = ("cryptography", "flwr", "httpx", "opacus", "scipy", "torch")
"""For a box that takes part in a federation."""
SERVER = ("cryptography", "flwr", "httpx", "onnx", "onnxscript", "opacus", "torch")
"""For the cloud's side, and the repository."""


def check_installed(what: str, extra: str, packages: Iterable[str]) -> None:
    """Raise unless all ``packages`` are installed; nothing is imported for the check.

    Raises:
        InvalidConfiguration: the missing packages, and the ``extra`` that installs them.
    """
    if missing := sorted(name for name in set(packages) if not _is_there(name)):
        names = " and ".join(", ".join(missing).rsplit(", ", 1))
        are = "is" if len(missing) == 1 else "are"
        raise InvalidConfiguration(
            what,
            f"needs {names}, which {are} not installed",
            f"Install with: pip install 'join-the-dots[{extra}]'",
        )


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
