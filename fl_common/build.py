"""Building what a configuration node names: the one call into Hydra's ``instantiate``."""

from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from fl_common.errors import InvalidConfiguration, JoinTheDotsError


def build(node: Mapping[str, Any]) -> Any:
    """The object of ``node``: ``_target_`` and the constructor's keyword arguments.

    Raises:
        JoinTheDotsError: what the constructor raised, unwrapped.
        InvalidConfiguration: no such target, or arguments that it does not take.
    """
    try:
        return instantiate(node)
    except InstantiationException as error:
        if isinstance(error.__cause__, JoinTheDotsError):
            raise error.__cause__ from None
        raise InvalidConfiguration(
            str(node.get("_target_")),
            f"can't be built ({_words(error)})",
            "Compare the node with its file under conf/",
        ) from error


def _words(error: InstantiationException) -> str:
    """Why, in one line: what the constructor said where it was reached."""
    return str(error.__cause__ or error).strip().splitlines()[0]
