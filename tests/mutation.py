"""``make mutate``: break kernels, one line at a time, and see whether a test fails.

Mutants are made by cosmic-ray's operators in the kernels of `PACKAGES`, functions written without annotations, and a
sample of them is drawn by a seed. Each is tried in a copy of the tracked files, with the tests that import what the
module offers, or what its importers offer; the first failure kills it. One whose tests outlast `LIMIT` is killed if
they end in time without the mutant, and left out of the count if they do not.

``python -m tests.mutation [--mutants N] [--seed N] [--workers N]``; exit code 1 when fewer than 90 % are killed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import cosmic_ray.plugins
import numpy as np
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("algos", "bandits", "online", "optimization")
LIMIT = 300.0  # seconds for the tests of one mutant
FILES = 6  # of tests; those that import the module itself are all tried
GOAL = 0.9
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod")
OPERATORS = (
    "AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ZeroIterationForLoop",
    "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_Delete_Not",
)  # fmt: skip


class Mutant(NamedTuple):
    """One change of one kernel."""

    module: str  # path of the file in the project
    function: str
    line: int
    operator: str
    occurrence: int

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line} {self.function}, {self.operator.partition('/')[2]}"


def operators() -> list[str]:
    """Those whose mutants can be compiled; sums of floats with bitwise operators cannot, and would die for free."""
    kept = []
    for name in cosmic_ray.plugins.operator_names():
        short = name.partition("/")[2]
        parts = short.split("_")
        arithmetic = parts[0] == "ReplaceBinaryOperator" and set(parts[1:]) <= set(ARITHMETIC)
        comparison = parts[0] == "ReplaceComparisonOperator" and not {"Is", "IsNot"} & set(parts[1:])
        if short in OPERATORS or arithmetic or comparison:
            kept.append(name)
    return sorted(kept)


def mutants() -> Iterator[Mutant]:
    """All mutants of all kernels."""
    tools = [(name, cosmic_ray.plugins.get_operator(name)()) for name in operators()]
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        source = path.read_text()
        spans = kernel_lines(source)
        if not spans:
            continue
        nodes = list(ast_nodes(get_ast(source)))
        for name, tool in tools:
            positions = (start for node in nodes for start, _ in tool.mutation_positions(node))
            for occurrence, (line, _) in enumerate(positions):
                function = next((function for function, lines in spans.items() if line in lines), None)
                if function is not None:
                    yield Mutant(str(path.relative_to(ROOT)), function, line, name, occurrence)


def kernel_lines(source: str) -> dict[str, range]:
    """The lines of the bodies of kernels: module-level functions with arguments and no annotation."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.args.args and not node.returns:
            arguments = [*node.args.args, *node.args.kwonlyargs]
            if not any(argument.annotation for argument in arguments):
                documented = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
                body = node.body[1:] if documented else node.body
                if body:
                    found[node.name] = range(body[0].lineno, (node.end_lineno or node.lineno) + 1)
    return found


def tests_of(module: str) -> list[str]:
    """Test files that import what a module offers, and then those that import what its importers offer."""
    own = imported_from(module)
    near = [test for test, names in test_imports().items() if names & own]
    around: set[str] = set()
    for importer in importers(module):
        around |= imported_from(importer)
    far = [test for test, names in test_imports().items() if names & around and test not in near]
    return [*near, *far[: max(0, FILES - len(near))]]


def imported_from(module: str) -> set[str]:
    """How tests may name what a module offers: itself, and its public names wherever they are offered again."""
    dotted = module.removesuffix(".py").replace("/", ".")
    return {dotted, *public_names(module)}


@cache
def public_names(module: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.parse((ROOT / module).read_text()).body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            names |= set(ast.literal_eval(node.value))
    return frozenset(names)


@cache
def importers(module: str) -> tuple[str, ...]:
    """Modules of the packages that import the module itself; not those that only gather names."""
    dotted = module.removesuffix(".py").replace("/", ".")
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return tuple(
        str(path.relative_to(ROOT))
        for path in paths
        if path.name != "__init__.py"
        and any(
            isinstance(node, ast.ImportFrom) and node.module == dotted for node in ast.walk(ast.parse(path.read_text()))
        )
    )


@cache
def test_imports() -> dict[str, frozenset[str]]:
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "experiments" in path.parts or path.parent == ROOT / "tests":
            continue
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(alias.name for alias in node.names)}
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        found[str(path.relative_to(ROOT))] = frozenset(names)
    return found


def trial(mutant: Mutant, folder: Path) -> tuple[str, str]:
    """The verdict, and the difference that the mutant makes."""
    tests = tests_of(mutant.module)
    path = folder / mutant.module
    before = (ROOT / mutant.module).read_text()
    after = mutate_code(before, cosmic_ray.plugins.get_operator(mutant.operator)(), mutant.occurrence)
    change = "\n".join(
        line
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    )
    if not tests:
        return "survived (no test imports the module)", change
    try:
        path.write_text(after)
        verdict = run(tests, folder)
    finally:
        path.write_text(before)
    if verdict == "late":
        verdict = "not counted: its tests take too long" if run(tests, folder) == "late" else "killed (endless)"
    return {"failed": "killed", "passed": "survived"}.get(verdict, verdict), change


def run(tests: list[str], folder: Path) -> str:
    """How the tests end in a copy of the project."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not extended", *tests]
    environment = os.environ | {"HYPOTHESIS_PROFILE": "ci", "PYTHONPATH": str(folder)}
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        told, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "late"
    if process.returncode not in (0, 1, 2):
        raise RuntimeError(f"pytest ended with {process.returncode}:\n{told}")
    return "failed" if process.returncode else "passed"


def copy(folder: Path) -> None:
    """The files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())


def main() -> int:
    parser = argparse.ArgumentParser(description="Break kernels and see whether a test fails.")
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    everything = list(mutants())
    chosen = np.random.default_rng(options.seed).permutation(len(everything))[: options.mutants]
    print(f"{len(everything)} mutants of kernels; {len(chosen)} are tried, drawn with seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.workers) as pool:
        free: SimpleQueue[Path] = SimpleQueue()
        for worker in range(options.workers):
            folder = Path(scratch, str(worker))
            copy(folder)
            free.put(folder)

        def tried(index: int) -> tuple[str, str]:
            folder = free.get()
            try:
                verdict, change = trial(everything[index], folder)
            finally:
                free.put(folder)
            shown = "" if verdict.startswith("killed") else f"\n{change}"
            print(f"{verdict}: {everything[index].name}{shown}", flush=True)
            return everything[index].module.partition("/")[0], verdict

        found = list(pool.map(tried, chosen.tolist()))
    counted = [(package, verdict) for package, verdict in found if not verdict.startswith("not counted")]
    killed = Counter(package for package, verdict in counted if verdict.startswith("killed"))
    for package, total in sorted(Counter(package for package, _ in counted).items()):
        print(f"{package}: {killed[package]} of {total} killed")
    share = sum(killed.values()) / max(1, len(counted))
    print(f"{sum(killed.values())} of {len(counted)} killed, {share:.0%}; the goal is {GOAL:.0%}")
    return int(share < GOAL)


if __name__ == "__main__":
    sys.exit(main())
