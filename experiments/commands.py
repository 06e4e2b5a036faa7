"""The ``regretlab`` command.

Every mistake of the user ends in one line on standard error and exit code 2; a claim or a check that fails, in
exit code 1.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from experiments.runner import Progress

if TYPE_CHECKING:
    from experiments.experiment import Experiment, NamedTable
    from experiments.ledger_checks import Checked
    from experiments.report import Findings
    from experiments.store import Store
    from experiments.trace_comparison import TraceComparison

__all__ = ["app", "main"]

# Some releases of typer carry their own copy of click: take the base class of usage errors from what it exports.
_UsageError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

_LONGEST_MESSAGE = 2000  # of what an input file may have written

app = typer.Typer(
    help="Provable algorithms, simulators to try them in, and guarantees that are checked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="Folder for results; a run begun there before is resumed.")]
Scale = Annotated[str, typer.Option(help="quick or paper.")]
Seed = Annotated[int, typer.Option(help="The run's one seed.")]
Workers = Annotated[int | None, typer.Option(help="Threads; the number of cores by default.")]
Folder = Annotated[Path, typer.Argument(help="Folder of a run.")]


@app.command("list")
def list_registered() -> None:
    """List the registered experiments, algorithms and simulators."""
    from experiments import registry

    console = _console()
    table = Table("experiment", "question", "source", box=None, pad_edge=False)
    for name in registry.experiment_names():
        experiment = registry.experiment(name)
        table.add_row(name, experiment.question, experiment.source)
    console.print(table)
    console.print(f"\nalgorithms: {', '.join(registry.names('algorithms'))}", soft_wrap=True)
    console.print(f"simulators: {', '.join(registry.names('simulators'))}", soft_wrap=True)


@app.command()
def run(
    names: Annotated[
        list[str], typer.Argument(help="Experiments to run, see `regretlab list`; or sweep files, NAME.toml.")
    ],
    scale: Scale = "quick",
    seed: Seed = 0,
    workers: Workers = None,
    dask: Annotated[
        str | None, typer.Option(help="Run on a Dask cluster: tcp://HOST:PORT of its scheduler, or local:N.")
    ] = None,
    out: Out = Path("regretlab-results"),
) -> None:
    """Run experiments into a folder and print their verdicts.

    A sweep file names algorithms, simulators and grids of their parameters; `regretlab init-sweep` prints examples.
    """
    from experiments.experiment import check_scale
    from experiments.report import findings
    from experiments.runner import run_experiments
    from experiments.sweep import Sweep

    experiments = [_experiment(name) for name in dict.fromkeys(names)]
    called = [experiment.name for experiment in experiments]
    for name in called:
        if called.count(name) > 1:
            raise ValueError(f"{name}: two experiments have this name; run them into different folders")
    with _progress() as progress:
        store = run_experiments(
            experiments, out, scale=check_scale(scale), seed=seed, workers=workers, dask=dask, progress=progress
        )
    found = findings(store, figures=False)
    if any(finding.claims or not isinstance(finding.experiment, Sweep) for finding in found):
        _print_verdicts(found)
    for finding in found:
        if isinstance(finding.experiment, Sweep):  # its tables are the answer
            for table in finding.tables:
                _print_table(table)
    print(f"results: {store.folder}; next: regretlab report {store.folder}")


@app.command("init-sweep")
def init_sweep(
    family: Annotated[str | None, typer.Argument(help="One of those that are listed when it is omitted.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="New file, NAME.toml, for the example; printed if omitted. Nothing is overwritten."),
    ] = None,
) -> None:
    """Print a commented example of a sweep file, ready for `regretlab run`."""
    from experiments.sweep_examples import sweep_example, sweep_families, write_sweep_example

    if family is None:
        print("families:", ", ".join(sweep_families()))
    elif out is None:
        print(sweep_example(family), end="")
    else:
        write_sweep_example(family, out)
        print(f"sweep: {out}; next: regretlab run {out}")


@app.command()
def report(folder: Folder) -> None:
    """Write the report of a run: one HTML page, and its figures as SVG and PDF."""
    from experiments.report import write_report
    from experiments.store import Store

    path, found = write_report(Store(folder))
    _print_verdicts(found)
    print(f"report: {path}")


@app.command()
def verify(
    folder: Folder,
    sample: Annotated[int, typer.Option(help="Cells to run again and compare bit for bit.")] = 10,
) -> None:
    """Check every stored cell against its digest, and run a sample again."""
    from experiments.runner import verify as verify_store
    from experiments.store import Store, changed_since

    with _progress() as progress:
        checks = verify_store(folder, sample=sample, progress=progress)
    for check in checks:
        if check.finding != "whole":
            print(f"{check.finding}: {check.experiment} {check.cell}")
    if any(check.finding == "differs" for check in checks) and (note := changed_since(Store(folder))):
        print(f"note: since the run, {note}")
    bad = [check for check in checks if not check.passed]
    again = sum(check.finding == "bit-identical" for check in checks)
    if bad:
        print(f"{len(bad)} of {len(checks)} cells are not what was written")
        raise typer.Exit(1)
    print(f"all {len(checks)} cells are whole; {again} were run again and are bit-identical")


@app.command()
def guarantees() -> None:
    """Print the ledger of guarantees."""
    from algos.guarantees import ledger
    from experiments import registry

    registry.load_all()
    table = Table("algorithm", "guarantee", "kind", "statement", "source", "evidence", box=None, pad_edge=False)
    for entry in ledger():
        table.add_row(entry.algorithm, entry.name, entry.kind, entry.statement, entry.source, entry.evidence)
    _console().print(table)


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Guarantees or algorithms; the whole ledger when omitted.")
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Measure what each guarantee speaks of and compare it with the guarantee; exit code 1 if any fails."""
    from experiments.ledger_checks import check_ledger

    with _progress(lines=True) as progress:
        found = check_ledger(names or (), seed=seed, workers=workers, progress=progress)
    _print_checks(found)
    if any(one.verdict == "fails" for one in found):
        raise typer.Exit(1)


@app.command()
def paging(
    traces: Annotated[list[Path], typer.Argument(help="Trace files: text, CSV, NPZ, oracleGeneral; gzip or zstd.")],
    cache_size: Annotated[str, typer.Option(help="Cache sizes in pages, or as 10% of the distinct pages; by commas.")],
    algorithms: Annotated[str, typer.Option(help="Eviction policies, by commas, or all; see `regretlab list`.")] = "",
    predictor: Annotated[
        list[str] | None,
        typer.Option(
            help="For policies with predictions: registered predictors, by commas or repeated, with parameters as in "
            "AdversarialBits:budget=100 or ThresholdBits:arrivals=LognormalArrivals(sigma=5)."
        ),
    ] = None,
    flip: Annotated[
        str | None,
        typer.Option(
            help="For policies with bits: shares of the true bits that are wrong; 0,0.1 unless they get others."
        ),
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(help="For policies with arrivals: lognormal noise of the true times; 0,5 unless they get others."),
    ] = None,
    bits: Annotated[
        list[str] | None,
        typer.Option(help="Your own predicted bits: a file (NPY, NPZ, text) or a column; for all traces or for each."),
    ] = None,
    arrivals: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own predicted times of the next request, counted in requests from 0, inf for never: as --bits."
        ),
    ] = None,
    replications: Annotated[int, typer.Option(help="Runs of each randomized policy or noisy predictor.")] = 5,
    column: Annotated[str | None, typer.Option(help="Column of the page ids: a name, or a number from 1.")] = None,
    warmup: Annotated[str, typer.Option(help="Requests that are served but not counted, or such a share: 10%.")] = "0",
    curve: Annotated[
        str | None,
        typer.Option(help="Miss-ratio curves of LRU and of the optimum, at about 16 sizes a decade (log) or at all."),
    ] = None,
    hits_out: Annotated[
        Path | None, typer.Option(help="NPZ file for the hits of each first run: an array a run, True for a hit.")
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results; one named after the question if omitted.")
    ] = None,
) -> None:
    """Find out which eviction policy would have served your trace best.

    Policies with predictions are told what --predictor, --flip, --sigma, --bits and --arrivals name and what they can
    read; where that is nothing, the truth, and the truth with some noise.
    """
    from experiments.hit_vectors import check_hits_path, write_hits
    from experiments.miss_ratio_curves import check_curve
    from experiments.predictor_choices import split_names
    from experiments.trace_comparison import DEFAULT_ALGORITHMS, TraceComparison

    if hits_out is not None:
        check_hits_path(hits_out)
    comparison = TraceComparison(
        traces,
        _words(cache_size, "cache-size"),
        algorithms=_words(algorithms, "algorithms") if algorithms else DEFAULT_ALGORITHMS,
        predictors=[name for text in predictor or [] for name in split_names(text)],
        flips=None if flip is None else [_number(word, "flip") for word in _words(flip, "flip")],
        sigmas=None if sigma is None else [_number(word, "sigma") for word in _words(sigma, "sigma")],
        bits=bits or [],
        arrivals=arrivals or [],
        replications=replications,
        column=int(column) if column is not None and column.isdecimal() else column,
        warmup=warmup,
        curve=check_curve(curve),
    )
    if out is None:
        key = hashlib.sha256(repr((comparison.parameters(), seed)).encode()).hexdigest()[:8]
        out = Path(f"regretlab-paging-{key}")
    _compare_traces(comparison, out, seed, workers)
    if hits_out is not None:
        write_hits(comparison, hits_out, seed)
        print(f"hits: {hits_out}")


@app.command("tune-solver")
def tune_solver(
    folder: Annotated[
        Path, typer.Argument(help="NAME.mtx files, with NAME_b.mtx, NAME_x0.mtx and contexts.csv where there are any.")
    ],
    solver: Annotated[str, typer.Option(help="sor, ssor, ssor_pcg, or another with a relaxation.")] = "ssor_pcg",
    grid: Annotated[str, typer.Option(help="Relaxations in (0, 2): by commas, or first:last:count.")] = "1:1.95:20",
    tolerance: Annotated[float, typer.Option(help="Relative.")] = 1e-8,
    max_iterations: Annotated[int, typer.Option(help="Cap, which is also the cost of a solve that fails.")] = 10_000,
    repeats: Annotated[int, typer.Option(help="Runs of each learner.")] = 10,
    seed: Seed = 0,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results; one named after the question if omitted.")
    ] = None,
) -> None:
    """Find out which relaxation would have solved your sequence of linear systems fastest.

    Solves every system of the folder with every relaxation, then plays learners on the recorded iterations.
    """
    from experiments.report import write_report
    from experiments.runner import results, run_experiments
    from experiments.solver_choice import SolverChoice

    choice = SolverChoice(
        folder,
        solver=solver,
        grid=_relaxations(grid),
        tolerance=tolerance,
        max_iterations=max_iterations,
        repeats=repeats,
    )
    if out is None:
        key = hashlib.sha256(repr((choice.parameters(), seed)).encode()).hexdigest()[:8]
        out = Path(f"regretlab-tune-solver-{key}")
    with _progress(lines=True) as progress:
        store = run_experiments([choice], out, seed=seed, workers=workers, progress=progress)
    seconds = [store.measurements(choice.name, cell).get("seconds") for cell in choice.cells("quick")]
    by_omega, by_learner = choice.tables(results(store, choice))
    taken = ["" if each is None else f"{each:.3g}" for each in seconds]
    _print_table(by_omega, "CPU seconds", taken[: len(by_omega.rows)])
    _print_table(by_learner)
    path, found = write_report(store)
    for sentence in found[0].summary:
        print(sentence)
    print(f"report: {path}")


@app.command("gradient-coding")
def gradient_coding(
    delays: Annotated[
        Path, typer.Argument(help="Answer times in seconds, a row a round and a column a worker: CSV, NPY or NPZ.")
    ],
    jobs: Annotated[int | None, typer.Option(help="Jobs; the rounds less --max-delay if omitted.")] = None,
    alpha: Annotated[float, typer.Option(help="Seconds that a load of one whole job takes a worker longer.")] = 0.0,
    reference_load: Annotated[float, typer.Option(help="Load at which the times were recorded.")] = 0.0,
    max_delay: Annotated[int, typer.Option(help="Rounds within which a job must be decoded.")] = 4,
    max_window: Annotated[int | None, typer.Option(help="Largest window W; the number of jobs if omitted.")] = None,
    deadline_slack: Annotated[float, typer.Option(help="Stragglers answer after 1 + this times the fastest.")] = 1.0,
    wait: Annotated[str, typer.Option(help="What the master does when too many are late: all or minimal.")] = "all",
    rule: Annotated[str, typer.Option(help="Which patterns it accepts: paper or exact.")] = "paper",
    best: Annotated[int, typer.Option(help="Rows of the table of the fastest.")] = 10,
    array: Annotated[str | None, typer.Option(help="Name of the array in an NPZ file.")] = None,
    rounds_out: Annotated[
        Path | None, typer.Option(help="CSV file for every round of the fastest scheme of each family.")
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results; one named after the question if omitted.")
    ] = None,
) -> None:
    """Find out which gradient coding scheme would have been fastest on your answer times."""
    from experiments.report import write_report
    from experiments.runner import results, run_experiments
    from experiments.scheme_choice import SchemeChoice
    from experiments.whole_files import write_whole

    choice = SchemeChoice(
        delays,
        jobs=jobs,
        alpha=alpha,
        reference_load=reference_load,
        max_delay=max_delay,
        max_window=max_window,
        deadline_slack=deadline_slack,
        wait=wait,
        rule=rule,
        best=best,
        array=array,
    )
    if out is None:
        key = hashlib.sha256(repr((choice.parameters(), seed)).encode()).hexdigest()[:8]
        out = Path(f"regretlab-gradient-coding-{key}")
    with _progress(lines=True) as progress:
        store = run_experiments([choice], out, seed=seed, workers=workers, progress=progress)
    found = results(store, choice)
    for table in choice.tables(found):
        _print_table(table)
    if rounds_out is not None:
        write_whole(rounds_out, choice.rounds(found).to_csv(index=False).encode())
        print(f"rounds: {rounds_out}")
    path, findings = write_report(store)
    for sentence in findings[0].summary:
        print(sentence)
    print(f"report: {path}")


@app.command()
def autobidding(
    log: Annotated[
        Path, typer.Argument(help="What could have been bought, with value and cost: CSV (also .gz, .zst) or Parquet.")
    ],
    budget: Annotated[float, typer.Option(help="Budget for the whole log; none if omitted.")] = math.inf,
    roi: Annotated[float, typer.Option(help="Target for value per unit of spend (not profit).")] = 0.0,
    lower: Annotated[
        list[str] | None, typer.Option(help="CHANNEL=AMOUNT, the least it must spend; repeatable.")
    ] = None,
    upper: Annotated[list[str] | None, typer.Option(help="CHANNEL=AMOUNT, the most it may spend; repeatable.")] = None,
    every_period: Annotated[
        bool, typer.Option("--every-period", help="The budget is for each period of the log, and not carried over.")
    ] = False,
    layout: Annotated[str, typer.Option(help="Columns of the log: auto, plain, auctionnet or bat.")] = "auto",
    channel: Annotated[str | None, typer.Option(help="Column that names the channels.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results; one named after the question if omitted.")
    ] = None,
) -> None:
    """Split a budget over the channels of your auction log: the optimum, what binds, and why."""
    from experiments.budget_split import BudgetChoice
    from experiments.report import write_report
    from experiments.runner import results, run_experiments

    choice = BudgetChoice(
        log,
        budget=budget,
        roi=roi,
        lower=_bounds("lower", lower),
        upper=_bounds("upper", upper),
        every_period=every_period,
        layout=layout,
        channel=channel,
    )
    if out is None:
        key = hashlib.sha256(repr(choice.parameters()).encode()).hexdigest()[:8]
        out = Path(f"regretlab-autobidding-{key}")
    with _progress(lines=True) as progress:
        store = run_experiments([choice], out, seed=0, workers=1, progress=progress)
    for table in choice.tables(results(store, choice)):
        _print_table(table)
    path, findings = write_report(store)
    for sentence in findings[0].summary:
        print(sentence)
    print(f"report: {path}")
    if choice.split.status == "infeasible":
        raise typer.Exit(1)


def _experiment(name: str) -> Experiment:
    """A registered experiment, or the sweep of a file."""
    from experiments import registry
    from experiments.sweep import Sweep

    return Sweep.from_file(name) if name.endswith(".toml") else registry.experiment(name)


def _bounds(side: str, given: list[str] | None) -> dict[str, float]:
    """Amounts by channel from words like ``search=100``."""
    found = {}
    for word in given or []:
        name, equals, amount = word.rpartition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise ValueError(f"--{side}: {word!r} is not CHANNEL=AMOUNT")
    return found


@app.command("private-train")
def private_train(
    data: Annotated[Path, typer.Argument(help="Records: CSV with a header, a row a record.")],
    label: Annotated[str, typer.Option(help="The column of labels, or of targets.")],
    epsilon: Annotated[float, typer.Option(help="Privacy budget.")],
    delta: Annotated[float, typer.Option(help="Below one over the number of records.")],
    model: Annotated[
        str, typer.Option(help="Loss: logistic or sigmoid (labels), huber, lorentz, welsch or geman (numbers).")
    ] = "logistic",
    positive: Annotated[str | None, typer.Option(help="The label that counts as 1.")] = None,
    scales: Annotated[
        str | None, typer.Option(help="Declared scale of each column, with commas, or one for all; no claim without.")
    ] = None,
    method: Annotated[str, typer.Option(help="'gradient descent' or 'spider'.")] = "gradient descent",
    steps: Annotated[int | None, typer.Option(help="Releases; the tuned number if omitted.")] = None,
    adjacency: Annotated[str, typer.Option(help="replace_one or add_remove.")] = "replace_one",
    gap: Annotated[float | None, typer.Option(help="Declared bound of the risk at 0, for losses of numbers.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the model.")] = None,
) -> None:
    """Train a linear model under differential privacy, with exact noise, and say what is guaranteed."""
    from algos.privacy import check_adjacency
    from experiments.private_training import read_labelled_table, train_privately

    table = read_labelled_table(data, label)
    trained = train_privately(
        table,
        model=model,
        epsilon=epsilon,
        delta=delta,
        scales=_scales(scales, len(table.columns)),
        positive=positive,
        method=method,  # type: ignore[arg-type]
        steps=steps,
        adjacency=check_adjacency(adjacency),
        gap=gap,
    )
    print(f"{len(table.labels):,} records, {len(table.columns)} columns, {model}, {trained.method}")
    if trained.private:
        print(f"budget: epsilon = {trained.epsilon:.6g}, delta = {trained.delta:g}, {trained.adjacency}")
    if not math.isnan(trained.certificate):
        print(
            f"certificate: the root mean square of the true gradients over all iterates is at most "
            f"{trained.certificate:.4g} in expectation"
        )
    print(trained.statement)
    if out is not None:
        trained.write(out)
        print(f"model: {out}")


def _scales(given: str | None, columns: int) -> list[float] | None:
    """One number a column; a single one is for all."""
    if given is None:
        return None
    try:
        found = [float(word) for word in given.split(",")]
    except ValueError:
        raise ValueError(f"--scales: {given!r} is not a list of numbers") from None
    found = found * columns if len(found) == 1 else found
    if len(found) != columns:
        raise ValueError(f"--scales: {len(found)} numbers for {columns} columns")
    return found


@app.command()
def demo(
    out: Out = Path("regretlab-demo"),
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Compare eviction policies on three real traces, then run every experiment at quick scale."""
    from importlib.resources import as_file, files

    from experiments import registry
    from experiments.report import write_report
    from experiments.runner import run_experiments
    from experiments.trace_comparison import TraceComparison
    from simulators import shipped_traces

    with as_file(files("simulators") / "data") as data:
        traces = [data / f"cache2k_{name}.npz" for name in shipped_traces()]
        comparison = TraceComparison(traces, ["0.5%", "1%", "2%", "5%", "10%", "20%"])
        _compare_traces(comparison, out / "paging", seed, workers)
    with _progress() as progress:
        experiments = [registry.experiment(name) for name in registry.experiment_names()]
        store = run_experiments(experiments, out / "experiments", seed=seed, workers=workers, progress=progress)
    path, found = write_report(store)
    _print_verdicts(found)
    print(f"report on the traces: {out / 'paging' / 'report.html'}")
    print(f"report on the experiments: {path}")


def main() -> None:
    """Entry point of the command."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as end:
        code = end.exit_code
    except BrokenPipeError:  # the reader of our output has gone, as in `regretlab list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (typer.Abort, KeyboardInterrupt):
        code = _fail("interrupted; run the same command again to resume", 130)
    except _UsageError as error:
        code = _fail(error.format_message(), 2)
    except (ValueError, OSError) as error:
        code = _fail(_one_line(error), 2)
    except MemoryError as error:
        code = _fail(f"not enough memory: {_one_line(error)}", 1)
    except RuntimeError as error:
        code = _fail(_one_line(error), 1)
    sys.exit(code)


def _compare_traces(comparison: TraceComparison, out: Path, seed: int, workers: int | None) -> None:
    from experiments.report import write_report
    from experiments.runner import results, run_experiments

    with _progress(lines=True) as progress:
        store = run_experiments([comparison], out, seed=seed, workers=workers, progress=progress)
    _print_comparison(comparison, store, results(store, comparison))
    path, found = write_report(store)
    for sentence in found[0].summary:
        print(sentence)
    _print_verdicts(found)
    print(f"report: {path}")


def _print_comparison(comparison: TraceComparison, store: Store, results: Any) -> None:
    """The tables of the report, with the speeds measured on this machine."""
    speeds: dict[tuple[str, str], float] = {}
    for cell in comparison.cells("quick"):
        if "curve" in cell:
            continue
        speed = store.measurements(comparison.name, cell).get("requests_per_second")
        if speed is not None:
            speeds[comparison.caption(cell["trace"], cell["cache_size"]), comparison.label(cell)] = speed
    for table in comparison.tables(results):
        found = [speeds.get((table.caption, row[0])) for row in table.rows]
        _print_table(table, "requests/s", ["" if speed is None else f"{speed:,.0f}" for speed in found])


def _print_table(table: NamedTable, measured: str = "", values: Sequence[str] = ()) -> None:
    """A table of the report, with a column of what was measured on this machine."""
    shown = Table(*table.columns[:1], box=None, pad_edge=False)
    for column in (*table.columns[1:], *([measured] if measured else [])):
        shown.add_column(column, justify="right")
    for place, row in enumerate(table.rows):
        shown.add_row(*row, *values[place : place + 1])
    console = _console()
    console.print(table.caption, style="italic", soft_wrap=True)  # a title would be cut to the width of the table
    console.print(shown)
    console.print()


def _print_verdicts(found: list[Findings]) -> None:
    from experiments.report import format_interval, format_number

    table = Table("experiment", "claim", box=None, pad_edge=False)
    table.add_column("measured", justify="right")
    table.add_column("interval")
    table.add_column("bound", justify="right")
    table.add_column("verdict")
    for finding in found:
        for claim in finding.claims:
            table.add_row(
                finding.experiment.name,
                claim.statement,
                format_number(claim.measured.estimate),
                format_interval(claim),
                f"{claim.relation} {format_number(claim.bound)}",
                claim.verdict,
            )
    _console().print(table)


def _print_checks(found: list[Checked]) -> None:
    from experiments.report import format_interval, format_number

    table = Table("algorithm", "guarantee", "statement", "source", box=None, pad_edge=False)
    for column in ("measured", "bound", "instances"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for one in found:
        claim, entry = one.claim, one.entry
        measured = "" if claim is None else format_number(claim.measured.estimate)
        if claim is not None and claim.measured.low < claim.measured.high:
            measured = f"{measured} {format_interval(claim)}"
        bound = one.error if claim is None else f"{claim.relation} {format_number(claim.bound)}"
        table.add_row(
            entry.algorithm, entry.name, entry.statement, entry.source, measured, bound, str(one.instances), one.verdict
        )
    _console().print(table)
    counts = Counter(one.verdict for one in found)
    _console().print(", ".join(f"{counts[verdict]} {verdict}" for verdict in sorted(counts)))


@contextmanager
def _progress(*, lines: bool = False) -> Iterator[Progress | None]:
    """A progress bar on standard error; where that is no terminal, lines if asked for, or nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _progress_line if lines else None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda label, done, total: bar.update(task, description=label, completed=done, total=total)


def _progress_line(label: str, done: int, total: int) -> None:
    if done:
        print(f"[{done}/{total}] {label}", file=sys.stderr, flush=True)


def _console() -> Console:
    """Standard output; wide enough that nothing is cut when it is no terminal."""
    width = None if sys.stdout.isatty() else 240
    return Console(width=width, markup=False, highlight=False)


def _words(text: str, option: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise ValueError(f"--{option}: {text!r} has an empty entry")
    return words


def _relaxations(text: str) -> list[float]:
    """Numbers by commas, or first:last:count."""
    parts = text.split(":")
    if len(parts) == 1:
        return [_number(word, "grid") for word in _words(text, "grid")]
    if len(parts) != 3 or not parts[2].isdecimal() or int(parts[2]) < 2:
        raise ValueError(f"--grid: {text!r} is neither numbers by commas nor first:last:count, count >= 2")
    import numpy as np

    low, high = (_number(word, "grid") for word in parts[:2])
    return [float(value) for value in np.linspace(low, high, int(parts[2])).round(12)]


def _number(word: str, option: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"--{option}: {word!r} is not a number") from None


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    line = " ".join(str(error).split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}..."


def _fail(message: str, code: int) -> int:
    print(f"regretlab: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
