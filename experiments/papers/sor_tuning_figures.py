"""The figures of `sor_tuning`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.experiment import NamedFigure
from experiments.papers.sor_tuning import heat_totals, mean_regrets
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure, plain_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]

_OMEGA = r"relaxation $\omega$"
_SHOWN = (
    *("omega = 1", "omega = 1.4", "omega = 1.6", "omega = 1.8", "T-INF (RV)", "T-INF-CB (RV)", "radii (RV)", "ChebCB"),
    "instance-optimal",
)


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """In the order of the experiment's parts."""
    return [
        _bounds(results),
        _shifts(results),
        _comparators(results),
        _learning(results),
        _degenerate(results),
        _gradients(results),
        _heat(results),
        _regret(results),
    ]


@in_house_style
def _bounds(results: pd.DataFrame) -> NamedFigure:
    """Iterations and bounds against omega."""
    rows = results[results["part"] == "bounds of SOR"]
    figure, (left, right) = new_figure(columns=2, width=5.2, height=4.0)
    x, best = rows["omega"], float(rows["best_omega"].iloc[0])
    left.plot(x, rows["iterations"], label="iterations", color="k", linewidth=1.8)
    for place, (column, label) in enumerate(
        (("asymptotic", "asymptotic estimate"), ("surrogate", r"bound $U(\omega)$"), ("energy", "energy bound"))
    ):
        draw_bound(left, x, rows[column], label=label, color=f"C{place}")
    left.axvline(best, color="0.6", linewidth=1, linestyle=":", label=r"optimal $\omega^*$")
    left.set(xlabel=_OMEGA, ylabel="iterations of SOR", yscale="log", title="10 x 10 grid, tolerance 1e-8")
    right.plot(x, rows["excess"], label=r"$\|C^{k-1}\|^{1/(k-1)} - \rho$", color="k", linewidth=1.8)
    tau = float(rows["tau"].iloc[0])
    draw_bound(right, x, rows["allowed"], label=rf"$\tau(1-\rho)$, $\tau$ = {tau:.2f}", color="C1")
    right.axvline(best, color="0.6", linewidth=1, linestyle=":", label=r"optimal $\omega^*$")
    right.set(xlabel=_OMEGA, ylabel="distance from the spectral radius", title="near-asymptotic behaviour")
    for axes in (left, right):
        axes.legend()
    caption = (
        "SOR on one random target. The asymptotic estimate ln eps / ln rho is no bound: it lies below the iterations "
        "near the optimum. U takes the constant tau of the right panel; the energy bound needs no such constant."
    )
    return NamedFigure("bounds", caption, figure)


@in_house_style
def _shifts(results: pd.DataFrame) -> NamedFigure:
    """Constants against the shift."""
    rows = results[results["part"] == "shifts"]
    figure, (left, right) = new_figure(columns=2, width=4.6, height=3.4)
    left.plot(rows["shift"], rows["beta"] ** 2, color="C0", label=r"$\beta^2$")
    draw_bound(left, rows["shift"], np.full(len(rows), 0.468079), label="0.468: Lipschitz above", color="k")
    left.set(xlabel="shift c", ylabel=r"squared radius of Jacobi's method, $\beta^2$", ylim=(0.4, 1.02))
    right.plot(rows["shift"], rows["tau"], color="C0", label=r"$\tau$ (least)")
    draw_bound(right, rows["shift"], np.full(len(rows), np.exp(-2)), label=r"$e^{-2}$: Lipschitz above", color="k")
    right.set(xlabel="shift c", ylabel=r"near-asymptotic constant $\tau$", ylim=(0, 0.4))
    for axes in (left, right):
        axes.legend()
    caption = (
        "10 x 10 grid: where beta^2 or tau lies above its dashed line, U is Lipschitz beyond the optimal omega. "
        "One random target a shift; tau over seven relaxations."
    )
    return NamedFigure("shifts", caption, figure)


@in_house_style
def _comparators(results: pd.DataFrame) -> NamedFigure:
    """One omega for all."""
    figure, panels = new_figure(columns=2, width=4.8, height=3.8)
    for axes, variance in zip(panels, ("low", "high"), strict=True):
        rows = results[(results["part"] == "comparators") & (results["variance"] == variance)]
        axes.plot(rows["omega"], rows["iterations"], color="C0", label="iterations, one omega for all")
        axes.plot(rows["omega"], rows["surrogate"], color="C1", linestyle="-.", label="bound U, one omega for all")
        ends = [rows["omega"].min(), rows["omega"].max()]
        for column, colour, label in (
            ("least_iterations", "C0", "iterations, best omega of each"),
            ("least_surrogate", "C1", "bound U, best omega of each"),
        ):
            draw_bound(axes, ends, [rows[column].iloc[0]] * 2, label=label, color=colour)
        axes.set(xlabel=_OMEGA, yscale="log", title=f"shifts of {variance} variance")
        plain_numbers(axes)
    panels[0].set_ylabel("mean over 40 systems (iterations)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    caption = "A single omega is nearly good enough only where the systems differ little."
    return NamedFigure("comparators", caption, figure)


@in_house_style
def _learning(results: pd.DataFrame) -> NamedFigure:
    """Systems left against iterations spent."""
    figure, panels = new_figure(columns=2, width=5.0, height=4.2)
    for axes, variance in zip(panels, ("low", "high"), strict=True):
        rows = results[(results["part"] == "learning") & (results["variance"] == variance)]
        horizon = rows["round"].max()
        for place, learner in enumerate(_SHOWN):
            mean = rows[rows["learner"] == learner].groupby("round")["iterations"].mean()
            style = line_style(place) | {"markevery": 0.2, "markersize": 4}
            axes.plot(mean.to_numpy() / 1e3, horizon - mean.index.to_numpy(), label=learner, **style)
        axes.set(xlabel="iterations spent (thousands)", title=f"shifts of {variance} variance", ylim=(0, horizon))
        end = rows[rows["learner"] == "omega = 1.4"]["iterations"].max() / 1e3
        axes.set_xlim(0, end)
    panels[0].set_ylabel("systems left to solve")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    trials = results[results["part"] == "learning"]["trial"].nunique()
    caption = (
        f"SOR on 5,000 shifted Laplacians of a 10 x 10 grid, mean of {trials} trials; steeper is better. T-INF learns "
        "one omega, T-INF-CB one for each of five intervals of the shift, ChebCB a polynomial; the arms of 'radii' "
        "stand for the spectral radius, which one number gives for all shifts."
    )
    return NamedFigure("learning", caption, figure)


@in_house_style
def _degenerate(results: pd.DataFrame) -> NamedFigure:
    """One target that is easy for one omega."""
    rows = results[results["part"] == "degenerate target"]
    figure, (axes,) = new_figure(width=6.0, height=3.8)
    draw_band(
        axes, rows["omega"], rows["mean"], rows["least"], rows["most"], label="40 random targets: mean, least to most"
    )
    axes.plot(rows["omega"], rows["degenerate"], color="C1", linestyle="-.", label=r"target made for $\omega$ = 1.4")
    axes.set(xlabel=_OMEGA, ylabel="iterations of SOR", yscale="log")
    plain_numbers(axes)
    axes.legend()
    caption = (
        "An eigenvector of SOR's residual map at omega = 1.4 is solved there at once, and hardly better than others "
        "beside it: without random targets costs are no Lipschitz function of omega."
    )
    return NamedFigure("degenerate", caption, figure)


@in_house_style
def _gradients(results: pd.DataFrame) -> NamedFigure:
    """Steps of CG and their bounds."""
    figure, panels = new_figure(columns=4, rows=2, width=3.2, height=2.9)
    here = results[results["part"] == "bounds of CG"]
    for axes, ((domain, size, offset), rows) in zip(
        panels, here.groupby(["domain", "size", "offset"], sort=False), strict=True
    ):
        tau = float(rows["tau"].iloc[0])
        axes.plot(rows["omega"], rows["iterations"], color="k", linewidth=1.8, label="steps of SSOR-CG")
        draw_bound(axes, rows["omega"], rows["bound"], label=r"bound, $\tau$ = 1", color="C0")
        draw_bound(
            axes, rows["omega"], 1 + tau * (rows["bound"] - 1), label=r"bound, least $\tau$", color="C1", linestyle="-."
        )
        name = "square" if domain == "S" else "L-shape"
        axes.set(ylim=(0, None), title=f"{name}, s = {size:g}, c = {offset:g}\nleast $\\tau$ = {tau:.2f}")
    for axes in panels[4:]:
        axes.set_xlabel(_OMEGA)
    for axes in panels[::4]:
        axes.set_ylabel("steps")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    caption = "Conjugate gradients preconditioned by symmetric SOR: the bound has the shape of the curve only roughly."
    return NamedFigure("gradients", caption, figure)


@in_house_style
def _heat(results: pd.DataFrame) -> NamedFigure:
    """Totals against size, and what was chosen when."""
    figure, (left, right) = new_figure(columns=2, width=5.2, height=4.2)
    here = results[results["part"] == "heat"]
    sizes = sorted(int(nx) for nx in here["nx"].unique())
    by_size = [heat_totals(results, nx) for nx in sizes]
    for place, learner in enumerate(by_size[0]):
        values = [found[learner].mean() / 1e3 for found in by_size]
        left.plot([(nx - 1) ** 2 for nx in sizes], values, label=learner, **line_style(place))
    left.set(xlabel="unknowns n", ylabel="iterations over 5,000 steps (thousands)", xscale="log", yscale="log")
    left.set_xticks([(nx - 1) ** 2 for nx in sizes], [f"{(nx - 1) ** 2:,}" for nx in sizes])
    left.set_xticks([], minor=True)
    plain_numbers(left)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    nx = max(size for size in sizes if size <= 100)
    mine = here[here["nx"] == nx]
    cost = mine[mine["learner"] == "cost"].pivot(index="omega", columns="block", values="total")
    period = 5000 / 1000 / cost.shape[1]
    time = (cost.columns.to_numpy(float) + 0.5) * period
    filled = right.contourf(time, cost.index, cost, levels=12, cmap="cividis", alpha=0.75)
    figure.colorbar(filled, ax=right, label="steps of SSOR-CG a system")
    for colour, learner in (("C1", "ChebCB"), ("w", "T-INF (RV)")):
        rows = mine[mine["learner"] == f"chosen by {learner}"]
        dashes = "-" if colour == "C1" else "--"
        right.plot(time, rows["omega"], label=f"chosen by {learner}", color=colour, linewidth=1.6, linestyle=dashes)
    right.set(xlabel="time t", ylabel=_OMEGA, title=f"nx = {nx}: means of 50 steps", ylim=(1, 1.95))
    right.legend(loc="upper right", facecolor="0.5", labelcolor="w", framealpha=0.8)
    caption = (
        "Heat equation by Crank-Nicolson, conductivity 100 times as large in the second half of each period: ChebCB, "
        "which sees the conductivity, follows the best omega; T-INF settles on one. CG has no preconditioner; all "
        "others are SSOR-CG. Means of 6 trials (left), the first trial (right)."
    )
    return NamedFigure("heat", caption, figure)


@in_house_style
def _regret(results: pd.DataFrame) -> NamedFigure:
    """Regret on made-up losses."""
    figure, panels = new_figure(columns=4, width=3.1, height=3.3)
    environments = ("gap 0.1", "gap sqrt(K / T)", "one arm loses nothing", "semi-Lipschitz")
    for axes, environment in zip(panels, environments, strict=True):
        found = mean_regrets(results, environment)
        axes.errorbar(
            found["systems"], found["regret"], 2 * found["error"], label="mean regret ± 2 s.e.", **line_style(0)
        )
        draw_bound(axes, found["systems"], found["bound"], label="bound", color="k")
        slope = float(np.polyfit(np.log(found["systems"]), np.log(found["regret"].clip(lower=1e-9)), 1)[0])
        title = f"{environment}\nslope {slope:.2f} over all T"
        axes.set(xscale="log", yscale="log", xlabel="rounds T", title=title)
    panels[0].set_ylabel("regret (loss)")
    panels[0].legend()
    caption = (
        "Tsallis-INF with 10 arms against four kinds of losses, and with about T^(1/3) arms (right), where the bound "
        "has slope 2/3; the others have 1/2."
    )
    return NamedFigure("regret", caption, figure)
