"""How many examples hypothesis tries: fewer where a contributor waits, all of them in CI, many more in a long run."""

from __future__ import annotations

import os
from enum import Enum

from hypothesis import HealthCheck, settings

from tests.servers import in_ci

VARIABLE = "SHIFTDECK_EXAMPLES"
USUAL = 100


class Profile(Enum):
    """The name of a profile of hypothesis, and its share of the examples that a test asks for."""

    QUICK = "quick", 0.4
    CI = "ci", 1.0
    SOAK = "soak", 20.0

    def examples(self, wanted: int) -> int:
        return max(1, round(wanted * self.value[1]))


def many(wanted: int) -> int:
    """How many examples there are of what a test wants."""
    name = settings.get_current_profile_name()
    return next(one for one in Profile if one.value[0] == name).examples(wanted)


def examples(wanted: int) -> settings:
    """For a test that asks for another number of examples than the usual 100."""
    return settings(max_examples=many(wanted))


def load() -> None:
    """Make the profile that the environment names that of all tests, else CI's in CI, else the quick one.

    Raises:
        hypothesis.errors.InvalidArgument: there is no such profile.
    """
    for one in Profile:
        settings.register_profile(
            one.value[0],
            max_examples=one.examples(USUAL),
            # A busy machine is no reason to fail: what is slow is measured in tests/bench.
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            # In CI a failure is the change's own, and comes again; elsewhere each run looks at other examples.
            derandomize=one is Profile.CI,
        )
    settings.load_profile(os.environ.get(VARIABLE) or ("ci" if in_ci() else "quick"))
