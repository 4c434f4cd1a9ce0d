"""Build the object that a configuration node names: the only call of Hydra's ``instantiate``."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from fl_common.configuration.keys import question
from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.plugins.kinds import ExtensionKind, check_extension

_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


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
        target = str(node.get("_target_"))
        _check_arguments(target, error)
        raise _not_built(target, _words(error)) from error
    if kind is not None:
        check_extension(kind, found)
    return found


def _check_arguments(target: str, error: InstantiationException) -> None:
    """Raise the refusal of an argument that the constructor does not take; else nothing."""
    found = _UNEXPECTED.search(str(error.__cause__))
    if not isinstance(error.__cause__, TypeError) or found is None:
        return
    known = [name for name in inspect.signature(get_object(target)).parameters if name != "self"]
    if found[1] not in known:  # else it is an argument of something within
        raise InvalidConfiguration(
            f"{target}: {found[1]}",
            "is not one of its arguments",
            f"{question(found[1], known)}It takes {', '.join(known)}",
        ) from error


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
