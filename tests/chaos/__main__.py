"""``make chaos``: kill, fill, lock and confuse runs, and count what survives. Exit code 1 when anything is lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.chaos import clusters, disks, forks, kills, rivals
from tests.chaos.families import Outcome, Tally


def main() -> int:
    """Run the families asked for and print survived / tried, of each and in total."""
    options = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    options.add_argument("--kills", type=int, default=100, help="kills at random moments")
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    options.add_argument("--only", default="", help="families whose name contains this")
    chosen = options.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="regretlab-chaos-") as name:
        tallies = [_told(tally) for tally in _families(Path(name), chosen.kills, chosen.seed, chosen.only)]
    survived, tried = sum(tally.survived for tally in tallies), sum(len(tally.outcomes) for tally in tallies)
    print(f"survived {survived} / {tried} in {time.monotonic() - begun:.0f} s")
    return 0 if tried and survived == tried else 1


def _families(folder: Path, count: int, seed: int, only: str) -> Iterable[Tally]:
    question: list[forks.Question] = []

    def asked() -> forks.Question:
        if not question:
            question.append(forks.prepare(folder / "undisturbed"))
        return question[0]

    families: dict[str, Callable[[Path], Iterable[Outcome]]] = {
        "SIGKILL at random moments": lambda place: kills.at_random_moments(asked(), place, count, seed),
        "SIGKILL at every step of every file": lambda place: kills.at_every_step(asked(), place),
        "disk full: too small": lambda place: disks.full(asked(), place),
        "disk full: at every file": lambda place: disks.full_at_every_file(asked(), place),
        "read-only folder": lambda place: disks.read_only(asked(), place),
        "two commands in one folder": lambda place: rivals.two_at_once(asked(), place),
        "clock changes": lambda place: rivals.jumping_clocks(asked(), place, seed),
        "Dask processes killed": clusters.killed_processes,
    }
    for number, (family, outcomes) in enumerate(families.items()):
        if only in family:
            place = folder / str(number)
            place.mkdir()
            yield Tally.of(family, outcomes(place))


def _told(tally: Tally) -> Tally:
    print("\n".join(tally.lines()), flush=True)
    return tally


if __name__ == "__main__":
    sys.exit(main())
