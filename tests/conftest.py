"""Hypothesis profiles: reproducible in continuous integration, searching elsewhere."""

import os

from hypothesis import HealthCheck, settings

quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=quiet)
settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=quiet, derandomize=True, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
