"""The reference: a page a module with its public names, and a page a package that lists them.

A name is public when a package names it in its ``__all__``, or a module of `algos` or `experiments` does, where much is
imported from the module itself. It is shown by its shortest path, the one to import.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import griffe

__all__ = ["Entry", "Package", "entries", "navigation", "packages", "pages"]

_ROOTS = ("algos", "bandits", "online", "optimization", "simulators", "experiments")
_BY_MODULE = ("algos", "experiments")  # the names of their modules are public as well
_PRIVATE_FOLDERS = ("experiments.papers",)  # an experiment is asked for by its name in the registry


@dataclass(frozen=True)
class Entry:
    """A public name: where it is defined, what to import, and what it is in a line."""

    path: str
    module: str
    summary: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def address(self) -> str:
        """Its place on the site, from the root."""
        return f"{_page(self.module)[:-3]}.html#{self.path}"


@dataclass
class Package:
    """A package with the public names of its modules."""

    path: str
    summary: str
    modules: dict[str, list[Entry]] = field(default_factory=dict)


@functools.cache
def packages() -> tuple[Package, ...]:
    """All packages with public names, parents first."""
    loader = griffe.GriffeLoader(search_paths=["."])
    for root in _ROOTS:
        loader.load(root)
    found: dict[str, griffe.Object] = {}  # by the path of the definition
    shown: dict[str, str] = {}
    folders = [folder for root in _ROOTS for folder in _folders(loader.modules_collection[root])]
    for folder in folders:
        modules = [folder]
        if folder.path.startswith(_BY_MODULE):
            modules += [each for each in folder.members.values() if _is_module(each) and not each.is_init_module]
        for module in modules:
            for name in map(str, module.exports or []):
                if name in module.members:  # numbers that are named several at a time are not, and have no docstring
                    _show(module[name], f"{module.path}.{name}", found, shown)
    result = {folder.path: Package(folder.path, _summary(folder)) for folder in folders}
    for defined, value in sorted(found.items()):
        module = defined.rpartition(".")[0]
        folder = max((path for path in result if f"{module}.".startswith(f"{path}.")), key=len)
        result[folder].modules.setdefault(module, []).append(Entry(shown[defined], module, _summary(value)))
    return tuple(package for package in result.values() if package.modules or package.summary)


def entries() -> Iterator[Entry]:
    """All public names."""
    for package in packages():
        for listed in package.modules.values():
            yield from listed


def pages() -> Iterator[tuple[str, str]]:
    """Address and text of every page of the reference."""
    yield "reference/index.md", _start()
    for package in packages():
        yield _page(package.path, folder=True), _package_page(package)
        for module, listed in package.modules.items():
            yield _page(module), _module_page(module, listed)


def navigation() -> list[object]:
    """The reference in the menu: packages, and their modules below."""
    tree: list[object] = ["reference/index.md"]
    places: dict[str, list[object]] = {"": tree}
    for package in packages():
        below: list[object] = [_page(package.path, folder=True)]
        below += [{module.rpartition(".")[2]: _page(module)} for module in package.modules if module != package.path]
        places[package.path] = below
        parent = package.path.rpartition(".")[0]
        places[parent].append({package.path.rpartition(".")[2]: below})
    return tree


def _folders(package: griffe.Module) -> Iterator[griffe.Module]:
    if package.path in _PRIVATE_FOLDERS:
        return
    yield package
    for member in package.members.values():
        if _is_module(member) and member.is_init_module:
            yield from _folders(member)


def _is_module(member: griffe.Object | griffe.Alias) -> bool:
    return not member.is_alias and member.is_module


def _show(
    value: griffe.Object | griffe.Alias, path: str, found: dict[str, griffe.Object], shown: dict[str, str]
) -> None:
    """File a name under where it is defined, and keep the shortest way to it."""
    target = value.final_target if value.is_alias else value
    if target.is_module or not target.docstring:
        return
    found[target.path] = target
    if target.path not in shown or path.count(".") < shown[target.path].count("."):
        shown[target.path] = path


def _summary(value: griffe.Object) -> str:
    """The first sentence of a docstring."""
    text = value.docstring.value if value.docstring else ""
    return " ".join(text.partition("\n\n")[0].split())


def _page(path: str, *, folder: bool = False) -> str:
    """The page of a module, or of a package."""
    place = "/".join(("reference", *path.split(".")))
    is_folder = folder or Path(*path.split(".")).is_dir()
    return f"{place}/{'index' if folder else 'names'}.md" if is_folder else f"{place}.md"


def _start() -> str:
    rows = "\n".join(
        f"| [`{package.path}`]({_page(package.path, folder=True).removeprefix('reference/')}) | "
        f"{_cell(package.summary)} | {sum(map(len, package.modules.values())) or ''} |"
        for package in packages()
    )
    return (
        "# Reference\n\nEvery public name, from its docstring. Import it by the path that is shown: "
        "`from bandits import UCB1`.\n\n"
        f"| package | what it holds | names |\n|---|---|---:|\n{rows}\n"
    )


def _package_page(package: Package) -> str:
    parts = [f"# {package.path}\n\n{package.summary}\n"]
    for module, listed in package.modules.items():
        title = module.removeprefix(package.path + ".")
        rows = "\n".join(f"| [`{entry.name}`][{entry.path}] | {_cell(entry.summary)} |" for entry in listed)
        parts.append(f"## {title}\n\n| name | what it is |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def _module_page(module: str, listed: list[Entry]) -> str:
    hidden = ("members", "show_root_heading", "show_root_toc_entry")  # the module's docstring alone
    about = "\n".join((f"::: {module}", "    options:", *(f"      {option}: false" for option in hidden), ""))
    names = "\n".join(f"::: {entry.path}\n" for entry in listed)
    return f"# {module}\n\n{about}\n{names}"


def _cell(text: str) -> str:
    """Text of a table's cell: code stays code, the rest is no markup."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if place % 2 else html.escape(part).replace("*", "\\*") for place, part in enumerate(parts))
