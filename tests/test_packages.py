"""What a user meets when importing: public names, their documentation, and what is not loaded."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = (
    *("algos", "algos.gradient_codes", "algos.knapsack", "algos.linear_solvers", "algos.privacy", "algos.soft_control"),
    *("bandits", "online", "online.autobidding", "online.gradient_coding", "online.paging", "online.sor_tuning"),
    *("optimization", "optimization.bilevel", "optimization.differentially_private"),
    *("simulators", "simulators.auctions", "simulators.bilevel_problems", "simulators.erm"),
    *("simulators.linear_systems", "simulators.mdp", "simulators.stragglers", "experiments"),
)
HEAVY = ("cvxpy", "pandas", "matplotlib", "pyarrow", "dask", "networkx", "scipy.stats", "dp_accounting")


@pytest.mark.parametrize("package", ["algos", "bandits", "online", "simulators"])
def test_light_packages_do_not_load_heavy_ones(package):
    program = f"import sys, {package}; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_documented(package):
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_only_names_what_it_offers(package):
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text())
    for node in tree.body[1:]:
        assigns_all = isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node)
        assert isinstance(node, ast.ImportFrom) or assigns_all, ast.unparse(node)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_names_the_public(package):
    folder = Path(importlib.import_module(package).__file__).parent
    for path in folder.glob("*.py"):
        assert "__all__" in path.read_text(), path


@pytest.mark.parametrize("package", PACKAGES)
def test_a_cached_kernel_calls_only_kernels_of_its_own_file(package):
    """Numba does not notice a change in another file; `hold`, which does nothing, is the one exception."""
    folder = Path(importlib.import_module(package).__file__).parent
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES
            for alias in node.names
        }
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            if any("cache=True" in ast.unparse(decorator) for decorator in function.decorator_list):
                calls = {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
                assert calls & imported <= {"hold"}, (path, function.name)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_says_its_types(package):
    """Kernels are compiled for whatever they are given; everything else that a package offers is annotated."""
    module, untyped = importlib.import_module(package), []
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            functions = [member for key, member in vars(value).items() if not key.startswith("_")]
        else:
            functions = [value]
        for function in (getattr(each, "__func__", each) for each in functions):
            if inspect.isfunction(function) and function.__module__.startswith(package.split(".")[0]):
                signature = inspect.signature(function)
                given = [each.annotation for key, each in signature.parameters.items() if key not in ("self", "cls")]
                if inspect.Signature.empty in (*given, signature.return_annotation):
                    untyped.append(function.__qualname__)
    assert untyped == []
