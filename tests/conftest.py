"""Hypothesis profiles: reproducible in continuous integration, searching elsewhere; and which tests share a process."""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

collect_ignore = ["mutation.py"]  # a command; its imports are those of the extra ``mutation``

quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=quiet)
settings.register_profile(
    "ci", max_examples=60, deadline=None, suppress_health_check=quiet, derandomize=True, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


TWINS = {
    "test_eviction_policies": "online",
    "test_belady": "online",
    "test_bandit_policies": "bandits",
    "test_best_arm_policies": "bandits",
    "test_policies_of_fixed_confidence": "bandits",
}
"""Of `test_twins`: where the loops are that they compile."""


class _ByFolder(LoadScopeScheduling):
    """Tests of a folder go to one process: most of their time goes into compiling the loops that they share.

    Those of experiments, which share few, go file by file. (xdist's own groups, of marks, do nothing in pytest 9.2:
    it renames tests by an attribute that pytest no longer reads.)
    """

    def _split_scope(self, nodeid):
        name, _, test = nodeid.partition("::")
        for start, folder in TWINS.items():
            if test.startswith(start):
                return folder
        path = Path(name)
        folder, *rest = path.parts
        if folder != "tests":
            return folder
        return str(path) if rest[0] == "experiments" else rest[0]


def pytest_xdist_make_scheduler(config, log):
    """How tests are shared out among processes."""
    return _ByFolder(config, log)
