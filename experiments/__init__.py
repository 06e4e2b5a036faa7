"""Many runs: replication, the store, claims, plots, the report and the ``regretlab`` command."""

__all__: list[str] = []
