"""What the calls of functions came to, and what they took, since the node's start."""

from collections import Counter, defaultdict

from fl_client.functions.host import Answer

LEFT_OUT = "left_out"


class Tally:
    """Counts the calls of functions; one thread adds, any may read."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        """By function and outcome (``Answer.outcome``); ``LEFT_OUT``: events it was not shown."""
        self.fuel: Counter[str] = Counter()
        """Of functions in a sandbox."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """In calls that were answered."""
        self.instances: Counter[tuple[str, str]] = Counter()
        """By function in a sandbox, and why they were made."""
        self.unsaid: Counter[str] = Counter()
        """Lines that functions logged, and that are not in the log."""

    def note(self, name: str, answer: Answer) -> None:
        """Count a call of the function ``name``."""
        self.calls[name, answer.outcome] += 1
        self.fuel[name] += answer.fuel
        self.seconds[name] += answer.seconds
        self.unsaid[name] += answer.unsaid
        for why, made in answer.instances.items():
            self.instances[name, why] += made

    def leave_out(self, name: str) -> None:
        """Count an event that the function ``name`` is not shown, as it is left out."""
        self.calls[name, LEFT_OUT] += 1
