"""The planted faults of privacy, each with the smallest set of tests that finds it."""

from tests.mutants.mechanism import MECHANISM, NOISE
from tests.mutants.release import ACCOUNTING, SHADOW, WORDS
from tests.mutants.server import SERVER

PLANTS = (*NOISE, *MECHANISM, *ACCOUNTING, *WORDS, *SHADOW, *SERVER)
