"""One rule in several languages, and the components of those that are compiled."""

from simulate.functions.building import component_of
from tests.support.sources import ROOT

SOURCES = ROOT / "tests/languages/sources"


def components() -> dict[str, bytes]:
    """The components by language."""
    built = {"JavaScript": "rule.js", "C": "rule.c"}
    return {language: component_of(SOURCES / name) for language, name in built.items()}
