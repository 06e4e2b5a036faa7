"""The ledger as a page: every guarantee with its statement, its source, and the test that checks it."""

from __future__ import annotations

import ast
import functools
from collections import Counter, defaultdict
from html import escape
from pathlib import Path

from algos.guarantees import Guarantee, ledger
from experiments import registry
from website import names, reference

__all__ = ["page"]

_FAMILIES = {
    "Bandits": ("bandits",),
    "Paging": ("online.paging", "algos.phases", "algos.optimal_paging"),
    "Autobidding": ("online.autobidding", "algos.knapsack"),
    "Gradient coding": ("online.gradient_coding", "algos.gradient_codes"),
    "Solver tuning and linear solvers": ("online.sor_tuning", "algos.linear_solvers"),
    "Privacy and private optimization": ("optimization.differentially_private", "algos.privacy"),
    "Bilevel optimization and policy alignment": ("optimization.bilevel", "algos.soft_control"),
}
_EVIDENCE = {
    "paper": "read in the paper",
    "code": "read in the paper's code",
    "derived": "derived here, and checked",
    "textbook": "a textbook statement that was not looked up again",
    "secondary": "reported by others who had read the paper",
}
_KIND = {
    "upper": "what is measured stays at or below the value",
    "lower": "what is measured, or what anybody can reach, stays at or above the value",
    "identity": "what is measured equals the value",
}


def page() -> str:
    """The page, as Markdown with HTML inside."""
    registry.load_all()
    found = ledger()
    families: dict[str, list[Guarantee]] = defaultdict(list)
    for entry in found:
        families[_family(entry)].append(entry)
    kinds, evidence = (Counter(getattr(entry, key) for entry in found) for key in ("kind", "evidence"))
    parts = [
        "# The ledger of guarantees\n",
        f"{len(found)} theorems whose statement can be computed, each a function: call it with the quantities of the "
        "theorem. `regretlab guarantees` prints the same in a terminal. Every entry has a property-based test that "
        "calls it; a test fails when one has none.\n",
        "A ledger is worth what its sources are worth, so each entry says where we have the statement from.\n",
        _counted("kind", "means", _KIND, kinds),
        _counted("evidence", "means", _EVIDENCE, evidence),
        "Where a paper hides its constants in O(), the function is called a rate and checked as a slope.\n",
        '<p class="filter"><label>Show entries with <input id="ledger-filter" type="search" '
        'placeholder="UCB, lower, derived ..."></label> <span id="ledger-count" role="status"></span></p>\n',
    ]
    for family in (*_FAMILIES, "Others"):
        if listed := families.get(family):
            parts.append(f"## {family}\n")
            parts.append('<dl class="ledger" markdown="0">\n' + "\n".join(map(_entry, listed)) + "\n</dl>\n")
    return "\n".join(parts)


def _counted(name: str, meaning: str, meanings: dict[str, str], counts: Counter[str]) -> str:
    rows = "\n".join(f"| {key} | {text} | {counts[key]} |" for key, text in meanings.items())
    return f"| {name} | {meaning} | entries |\n|---|---|---:|\n{rows}\n"


def _family(entry: Guarantee) -> str:
    module = entry.function.__module__
    fits = (name for name, roots in _FAMILIES.items() if any(f"{module}.".startswith(f"{root}.") for root in roots))
    return next(fits, "Others")


def _entry(entry: Guarantee) -> str:
    path = _paths().get(f"{entry.function.__module__}.{entry.name}", entry.name)
    statement = names.code_spans(entry.statement.replace("<=", "≤").replace(">=", "≥"))
    tests = ", ".join(f"<code>{escape(test)}</code>" for test in _tests().get(entry.name, []))
    return (
        f'<div class="entry"><dt><code>{path}</code> <span class="tag {entry.kind}">{entry.kind}</span> '
        f'<span class="tag">{entry.evidence}</span></dt>\n'
        f"<dd>{statement}<br>\n"
        f'<span class="of">Of <code>{escape(entry.algorithm)}</code>. Source: {escape(entry.source)}. '
        f"Checked by {tests or 'no test'}.</span></dd></div>"
    )


@functools.cache
def _paths() -> dict[str, str]:
    """Where to import a function from, by where it is defined."""
    return {f"{entry.module}.{entry.name}": entry.path for entry in reference.entries()}


@functools.cache
def _tests() -> dict[str, list[str]]:
    """The tests that say they check a guarantee, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(Path("tests").rglob("test_*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                for name in _marked(function):
                    found[name].append(f"{path.as_posix()}::{function.name}")
    return dict(found)


def _marked(function: ast.FunctionDef) -> list[str]:
    return [
        str(argument.value)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("mark.guarantee")
        for argument in decorator.args
        if isinstance(argument, ast.Constant)
    ]
