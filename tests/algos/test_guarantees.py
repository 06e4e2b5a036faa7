import pytest

from algos import guarantees
from algos.guarantees import guarantee, ledger


@pytest.fixture(autouse=True)
def own_ledger(monkeypatch):
    monkeypatch.setattr(guarantees, "_LEDGER", {})


def test_a_guarantee_is_filed_and_the_function_stays_itself():
    def bound(opt):
        """Faults <= 2 OPT.

        More words.
        """
        return 2 * opt

    assert guarantee("a paper, Theorem 1", kind="upper", algorithm="Halver")(bound) is bound
    (entry,) = ledger()
    assert (entry.name, entry.statement, entry.kind) == ("bound", "Faults <= 2 OPT.", "upper")
    assert (entry.source, entry.algorithm, entry.evidence) == ("a paper, Theorem 1", "Halver", "paper")
    assert entry.function(3) == 6


def test_the_ledger_is_sorted_by_algorithm_and_name():
    for name, algorithm in (("z", "A"), ("a", "B"), ("b", "A")):
        function = lambda: None  # noqa: E731
        function.__name__, function.__doc__ = name, "A statement."
        guarantee("source", kind="identity", algorithm=algorithm)(function)
    assert [(entry.algorithm, entry.name) for entry in ledger()] == [("A", "b"), ("A", "z"), ("B", "a")]


def test_a_guarantee_must_state_itself():
    def silent():
        return 1

    with pytest.raises(ValueError, match="silent: a guarantee states itself"):
        guarantee("source", kind="upper")(silent)


@pytest.mark.parametrize(("argument", "value"), [("kind", "middle"), ("evidence", "rumour")])
def test_unknown_kinds_and_evidence_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"{argument}: '{value}' is not one of"):
        guarantee("source", **({"kind": "upper"} | {argument: value}))


def test_two_modules_cannot_share_a_name():
    def bound():
        """A statement."""

    guarantee("source", kind="upper")(bound)
    guarantee("source", kind="upper")(bound)

    def bound():
        """Another one."""

    bound.__module__ = "elsewhere"
    with pytest.raises(ValueError, match=r"bound: already registered by tests\.algos"):
        guarantee("source", kind="upper")(bound)
