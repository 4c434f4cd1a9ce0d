"""Build the object that a configuration node names: the only call of Hydra's ``instantiate``."""

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.plugins.kinds import ExtensionKind, check_extension


def build(node: Mapping[str, Any], kind: ExtensionKind | None = None) -> Any:
    """Build ``node``, which has a ``_target_`` and the constructor's keyword arguments.

    The target may be any installed class; with a ``kind``, it must follow the kind's protocol.

    Raises:
        JoinTheDotsError: the constructor raised it.
        InvalidConfiguration: an unknown target, arguments that it does not take, or a wrong kind.
    """
    try:
        found = instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, JoinTheDotsError):
            raise error.__cause__ from None
        raise _not_built(str(node.get("_target_")), _words(error)) from error
    if kind is not None:
        check_extension(kind, found)
    return found


def _not_built(target: str, words: str) -> InvalidConfiguration:
    from fl_common.plugins.installed import owner_of, remedy_of  # for an error only

    owner = owner_of(target)
    remedy = "Compare the node with its file under conf/, and install the package that has it"
    return InvalidConfiguration(
        f"{target} of {owner}" if owner else target,
        f"can't be built ({words})",
        remedy_of(owner) if owner else remedy,
    )


def _words(error: InstantiationException) -> str:
    """The reason in one line; the constructor's own message if it was called."""
    return " ".join(str(error.__cause__ or error).split()).rstrip(".")
