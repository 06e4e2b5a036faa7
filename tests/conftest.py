"""Hypothesis profiles: reproducible in continuous integration, searching elsewhere; and which tests share a process."""

import os

import pytest
from hypothesis import HealthCheck, settings

quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=quiet)
settings.register_profile(
    "ci", max_examples=60, deadline=None, suppress_health_check=quiet, derandomize=True, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


def pytest_collection_modifyitems(config, items):
    """Keep the tests of a folder in one process: most of their time goes into compiling the loops that they share."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            folder, *rest = item.path.relative_to(config.rootpath).parts
            item.add_marker(pytest.mark.xdist_group(rest[0] if folder == "tests" else folder))
