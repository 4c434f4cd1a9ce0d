"""The reason why an update was refused, in one word, for metrics and operators."""

from collections.abc import Mapping

from fl_common.errors import InvalidData, RepositoryUnreachable, UpdateRefused

_WORDS: Mapping[str, str] = {
    "ExpiredMetadataError": "expired",
    "BadVersionNumberError": "older",
    "EqualVersionNumberError": "older",
    "UnsignedMetadataError": "unsigned",
    "LengthOrHashMismatchError": "altered",
    "DownloadLengthMismatchError": "too_long",
    "SlowRetrievalError": "slow",
    "InvalidData": "malformed",
}
"""Reasons by the exception, of python-tuf or ours, that was the cause."""

REASONS = (*dict.fromkeys(_WORDS.values()), "unreachable", "refused", "disk")


def reason_of(error: BaseException) -> str:
    """One of ``REASONS`` for an error from a reader or the disk."""
    cause = error.__cause__
    for one in (cause, error):
        if (word := _WORDS.get(type(one).__name__)) is not None:
            return word
    if isinstance(error, RepositoryUnreachable):
        return "unreachable"
    if isinstance(error, UpdateRefused):
        return "malformed" if cause is not None else "refused"
    return "malformed" if isinstance(error, InvalidData) else "disk"
