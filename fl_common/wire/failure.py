"""The reply of a site that could not answer: one sentence, whatever happened.

The text of an exception may quote data, names or paths, and its class may depend on data, so
neither leaves. Of a plan, which the server wrote, it says what the site does not support. Whoever
sends this reply writes the exception to the site's own log.
"""

from flwr.app import Error, Message

from fl_common.plan import NewerPlan
from fl_common.privacy.registry import UnknownUnit

APP_RAISED = 2
"""Flower's code for a ClientApp that raised (``flwr.common.constant.ErrorCode``)."""

SENTENCE = "the site could not answer this message; its own log says why"
UNREADABLE = (
    "the site can't read this message, or the plan in it; run server and sites with the same"
    " version"
)
UNKNOWN_UNIT = (
    "this site does not have the plan's privacy unit; install the package that brings it there"
)
TOO_SOON = (
    "the server waits for less time than this site's answers to such work take; raise"
    " strategy.round_timeout_s"
)
CLOCK = "this site's clock is in doubt; the site takes part again once it is set, or vouched for"


def why_unreadable(error: Exception) -> str:
    """The sentence for an ``error`` in reading a message: what the site lacks, where that is it."""
    if isinstance(error, NewerPlan):
        return str(error)
    return UNKNOWN_UNIT if isinstance(error, UnknownUnit) else UNREADABLE


def failed(message: Message, sentence: str = SENTENCE) -> Message:
    """The reply to ``message``; ``sentence`` is one of this module's."""
    return Message(Error(APP_RAISED, sentence), reply_to=message)
