"""Build the object that a configuration node names: the only call of Hydra's ``instantiate``."""

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from fl_common.configuration.kinds import CLASS, PART, check_arguments
from fl_common.configuration.rules import require
from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.plugins.kinds import ExtensionKind, check_extension


def build(node: Mapping[str, Any], kind: ExtensionKind | None = None, *, at: str = "") -> Any:
    """Build ``node``, which has a ``_target_`` and the constructor's keyword arguments.

    The target may be any installed class; with a ``kind``, it must follow the kind's protocol.
    ``at`` is where the node stands in the configuration, for messages.

    Raises:
        JoinTheDotsError: the constructor raised it.
        InvalidConfiguration: an unknown target, arguments that it does not take, or a wrong kind.
    """
    plain = OmegaConf.to_container(node) if isinstance(node, DictConfig) else node
    require(at or "the node", plain, PART)
    _check(plain, at)
    try:
        found = instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, JoinTheDotsError):
            raise error.__cause__ from None
        _check(plain, at, strictly=True)
        raise _not_built(str(node.get("_target_")), _words(error)) from error
    if kind is not None:
        check_extension(kind, found)
    return found


def _check(node: Any, at: str, *, strictly: bool = False) -> None:
    """Check the arguments of ``node`` and of the nodes in it against their constructors."""
    if isinstance(node, list):
        for number, value in enumerate(node):
            _check(value, f"{at}.{number}", strictly=strictly)
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        where = f"{at}._target_" if at else "_target_"
        require(where, node["_target_"], CLASS)
        try:
            target = get_object(node["_target_"])
        except Exception:  # whatever its module raises: instantiate says so
            return
        require(where, node["_target_"], CLASS._replace(holds=lambda _: callable(target)))
        check_arguments(at, target, node, strictly=strictly)
    for name, value in node.items():
        _check(value, f"{at}.{name}" if at else str(name), strictly=strictly)


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
