"""Doctests, of the README, the docs and the docstrings, run in a folder and with a ledger of their own."""

import pytest

from algos import guarantees


@pytest.fixture(autouse=True)
def _apart(request, monkeypatch):
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
        monkeypatch.setattr(guarantees, "_LEDGER", dict(guarantees._LEDGER))
