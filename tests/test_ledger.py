"""Every guarantee has a property-based test: one that is given its instances, says what it checks, and calls it."""

import ast
import importlib
import pkgutil
import textwrap
from pathlib import Path

import pytest

from algos.guarantees import ledger

PACKAGES = ("algos", "bandits", "online", "optimization", "simulators", "experiments")
TESTS = Path(__file__).parent


def registered():
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            importlib.import_module(module.name)
    return {entry.name for entry in ledger() if entry.function.__module__.partition(".")[0] in PACKAGES}


def checked(source):
    """Names of the guarantees that the property-based tests of a source claim to check and really call."""
    names = set()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        decorators = [node for node in function.decorator_list if isinstance(node, ast.Call)]
        given = any(ast.unparse(node.func).split(".")[-1] == "given" for node in decorators)
        marked = {
            argument.value
            for node in decorators
            if ast.unparse(node.func).endswith("mark.guarantee")
            for argument in node.args
        }
        called = {
            ast.unparse(node.func).split(".")[-1]
            for statement in function.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Call)
        }
        if given:
            names |= marked & called
    return names


def test_every_guarantee_has_a_property_based_test():
    names = registered()
    assert len(names) >= 10
    covered = set().union(*(checked(path.read_text()) for path in TESTS.rglob("test_*.py")))
    assert sorted(names - covered) == []


def test_markers_name_guarantees_that_exist():
    marked = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.guarantee"):
                marked |= {argument.value for argument in node.args}
    assert sorted(marked - registered()) == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("@pytest.mark.guarantee('a')\n@given(x)\ndef test(): assert 1 <= a(2)", {"a"}),
        ("@pytest.mark.guarantee('a', 'b')\n@hypothesis.given(x)\ndef test(): assert bounds.a(2) < b(1)", {"a", "b"}),
        ("@pytest.mark.guarantee('a')\n@given(x)\ndef test(): assert a", set()),
        ("@pytest.mark.guarantee('a')\ndef test(): assert a(2)", set()),
        ("@given(x)\ndef test(): assert a(2)", set()),
        ("@pytest.mark.guarantee('a')\n@given(a(2))\ndef test(): pass", set()),
    ],
)
def test_the_scanner_counts_only_real_checks(source, names):
    assert checked(textwrap.dedent(source)) == names
