"""``python -m benchmarks [NAME...]``: measure and show; the names are those of `SUITES`.

Without names all suites run, and the table goes to ``results.md`` as well.

Exit code 1 when a target is missed. The peers are the extra ``peers``; ``make benchmarks`` installs them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import (
    autobidding_runs,
    bandit_steps,
    best_arm_runs,
    bilevel_runs,
    cluster_runs,
    gradient_coding_rounds,
    paging_replay,
    private_runs,
    solver_runs,
    sparse_runs,
    startup,
    tallying_runs,
)
from benchmarks.measure import machine, markdown

SUITES = {
    "autobidding": autobidding_runs.rows,
    "bandits": bandit_steps.rows,
    "best_arm": best_arm_runs.rows,
    "bilevel": bilevel_runs.rows,
    "cluster": cluster_runs.rows,
    "gradient_coding": gradient_coding_rounds.rows,
    "paging": paging_replay.rows,
    "private": private_runs.rows,
    "solvers": solver_runs.rows,
    "sparse": sparse_runs.rows,
    "startup": startup.rows,
    "tallying": tallying_runs.rows,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        print(f"benchmarks: unknown suite {unknown[0]!r}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    rows = [row for name in names or SUITES for row in SUITES[name]()]
    text = (
        f"Measured on {machine()}. CPU seconds of one thread, median, ours and the peer's in turn; start-up times are "
        f"wall-clock.\n\n{markdown(rows)}\n\nCommand: `python -m benchmarks{''.join(f' {name}' for name in names)}`\n"
    )
    print(text)
    if not names:
        Path(__file__).with_name("results.md").write_text(text)
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
