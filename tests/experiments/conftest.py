import sys

import pytest

from experiments.commands import main


@pytest.fixture
def regretlab(monkeypatch, capsys):
    """Run the command in this process; exit code, standard output, standard error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["regretlab", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call
