"""All errors that a user can see, in one tree.

    JoinTheDotsError
    ├── BadInput                a value that can't be used: exit status 2
    │   ├── InvalidConfiguration    an override, a plan or a combination of both
    │   └── InvalidData             a user's archive, array or file
    ├── LedgerError             the privacy ledger can't be read or written: exit status 2
    ├── StoreError              a site's store can't be read or written: exit status 2
    │   └── StoreFull               its disk is full: what was not acknowledged is sent again
    ├── PrivacyViolation        a check of the DP mechanism failed: nothing is sent
    ├── ComponentError          nothing from the component repository can be used
    │   ├── UpdateRefused           metadata or content that is not to be trusted
    │   └── RepositoryUnreachable   no answer, an error, or an answer that is too slow
    ├── NoModel                 no version of a model serves: try again later
    ├── ExportMismatch          torch and ONNX Runtime disagree: nothing is published
    └── RunFailed               a federated run can't continue: exit status 1

A refusal (``fl_common.vocabulary.Refusal``) is a value and not in this tree.
"""

__all__ = [
    "BadInput",
    "ComponentError",
    "ExportMismatch",
    "InvalidConfiguration",
    "InvalidData",
    "JoinTheDotsError",
    "LedgerError",
    "NoModel",
    "PrivacyViolation",
    "RepositoryUnreachable",
    "RunFailed",
    "StoreError",
    "StoreFull",
    "UpdateRefused",
]


class JoinTheDotsError(Exception):
    """The base class; ``exit_status`` is the exit status of a command."""

    exit_status = 1


class BadInput(JoinTheDotsError):
    """A value from outside that breaks a rule.

    The message names the value, the rule and the remedy, in this order, in one line.
    """

    exit_status = 2

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value}: {rule}. {remedy}.")
        self.value, self.rule, self.remedy = value, rule, remedy

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.value, self.rule, self.remedy)


class InvalidConfiguration(BadInput):
    """An override or a plan that can't be carried out."""


class InvalidData(BadInput):
    """Data that a loader can't accept as they are."""


class LedgerError(JoinTheDotsError):
    """The ledger of privacy spent can't be trusted or written."""

    exit_status = 2


class StoreError(JoinTheDotsError):
    """The site's store of readings and windows can't be opened, read or written."""

    exit_status = 2


class StoreFull(StoreError):
    """The disk of the site's store is full; the transaction was rolled back."""


class PrivacyViolation(JoinTheDotsError):
    """The mechanism did not run as the plan says."""


class ComponentError(JoinTheDotsError):
    """Nothing from the component repository can be used; a site keeps what it has."""


class UpdateRefused(ComponentError):
    """Metadata or content that can't be trusted: wrongly signed, expired, older, or altered."""


class RepositoryUnreachable(ComponentError):
    """No answer from the repository, an error, or an answer that is too slow or too long."""


class NoModel(JoinTheDotsError):
    """No version of the model serves at present."""


class ExportMismatch(JoinTheDotsError):
    """The exported model does not compute what the trained model computes."""


class RunFailed(JoinTheDotsError):
    """Too few sites replied, or the server can't continue."""
