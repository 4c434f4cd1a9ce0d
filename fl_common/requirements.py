"""Packages that only some commands need, and the extra of ours that brings them.

``pip install join-the-dots`` is a box that senses and infers. What trains, serves a federation or
simulates one needs more; a command asks here before it begins, so that nothing is half-done when a
package turns out to be missing.
"""

from collections.abc import Iterable
from importlib.util import find_spec

from fl_common.errors import InvalidConfiguration

TRAIN = ("cryptography", "flwr", "httpx", "opacus", "scipy", "torch")
"""A box that takes part in a federation."""
SERVER = ("cryptography", "flwr", "httpx", "onnx", "onnxscript", "opacus", "torch")
"""The cloud's side, and the repository."""


def check_installed(what: str, extra: str, packages: Iterable[str]) -> None:
    """Raise unless every one of ``packages`` can be imported; nothing is imported for that.

    Raises:
        InvalidConfiguration: all that are missing, and the ``extra`` that brings them.
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
