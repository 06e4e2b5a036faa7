"""The documentation site: what is made from the library, and what it refuses."""

import re

import pytest

from algos.guarantees import ledger
from experiments import registry
from website import commands, figures, gallery, links, mathematics, names, reference
from website import ledger as ledger_page

SESSION = """```python
>>> from experiments.plots import new_axes
>>> axes = new_axes("x", "y")
>>> 1 + 1
{answer}

```

"""


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "CACHE", tmp_path / "cache")

    def written(content):
        path = tmp_path / "page.md"
        path.write_text(content)
        return path

    return written


def test_a_figure_is_drawn_by_the_session_above_it_and_kept(text, monkeypatch):
    path = text(SESSION.format(answer=2) + "![one](figures/page-axes.svg)\n")
    ((address, first),) = figures.of_page(path)
    assert address == "figures/page-axes.svg"
    assert b"<svg" in first
    monkeypatch.delattr(figures, "_draw")
    assert list(figures.of_page(path)) == [(address, first)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SESSION.format(answer=3) + "![one](figures/page-axes.svg)\n", "Expected:"),
        (SESSION.format(answer=2) + "![one](figures/page-figure.svg)\n", "figures/page-figure.svg"),
        (SESSION.format(answer=2) + "![one](figures/other-axes.svg)\n", "the page's name"),
        (SESSION.format(answer=2) + "Words between.\n\n![one](figures/page-axes.svg)\n", "right above"),
        ("![one](figures/page-axes.svg)\n", "right above"),
    ],
)
def test_a_figure_that_its_page_does_not_draw_is_refused(text, content, message):
    with pytest.raises(ValueError, match=message):
        list(figures.of_page(text(content)))


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<h2 id="here"></h2><a href="#here"></a><a href="sub/b.html#there"></a><a href="https://example.org/x"></a>'
        '<a href="sub/b.html#nowhere"></a><a href="c.html"></a><img src="d.svg">'
    )
    (tmp_path / "sub" / "b.html").write_text('<p id="there"></p><a href="../a.html"></a>')
    assert links.broken(tmp_path) == ["a.html: sub/b.html#nowhere", "a.html: c.html", "a.html: d.svg"]
    with pytest.raises(ValueError, match="3 links"):
        links.check(tmp_path)


def test_names_in_code_lead_to_the_reference():
    page = (
        "<p><code>UCB1</code> <code>UCB1(2.0)</code> <code>algos.rounds.RoundKernels</code> <code>ucb1_bound</code> "
        "<code>hardness</code> <code>unknown_name</code></p><pre><code>UCB1</code></pre><h2><code>UCB1</code></h2>"
    )
    found = re.findall(r'<a class="name" href="([^"]*)">', names.linked(page, "bandits.html"))
    assert found == [
        *(2 * ["reference/bandits/ucb.html#bandits.UCB1"]),
        "reference/algos/rounds.html#algos.rounds.RoundKernels",
        "reference/bandits/ucb.html#bandits.ucb1_bound",
    ]
    deeper = names.linked("<code>UCB1</code>", "reference/bandits/index.html")
    assert 'href="ucb.html#bandits.UCB1"' in deeper
    assert names.linked("<code>split_budget</code>", "bandits.html") == "<code>split_<wbr>budget</code>"  # two have it


def test_every_public_name_and_every_guarantee_has_a_place_in_the_reference():
    paths = {entry.path for entry in reference.entries()}
    assert {"bandits.UCB1", "online.paging.LRU", "simulators.GridWorld", "algos.contracts.description"} <= paths
    pages = dict(reference.pages())
    for entry in reference.entries():
        assert f"::: {entry.path}\n" in pages[entry.address.partition(".html")[0] + ".md"]
    registry.load_all()
    defined = {f"{entry.module}.{entry.name}" for entry in reference.entries()}
    assert [entry.name for entry in ledger() if f"{entry.function.__module__}.{entry.name}" not in defined] == []


def test_the_ledger_names_the_tests_that_check_it():
    page = ledger_page.page()
    assert page.count('class="entry"') == len(ledger())
    assert "no test" not in page
    assert "tests/bandits/test_bounds.py::test_asymptotic_ucb" in page


def test_formulas_become_mathml():
    assert mathematics.typeset(r'<span class="arithmatex">\(\sqrt{K}\)</span>').startswith("<math")
    assert "<msqrt>" in mathematics.typeset(r'<div class="arithmatex">\[\sqrt{K}\]</div>')
    with pytest.raises(ValueError, match="nosuch"):
        mathematics.typeset(r'<span class="arithmatex">\(\nosuch\)</span>')


def test_every_command_is_described_with_its_defaults():
    page = commands.page()
    assert "## regretlab private-train\n" in page
    assert '<code>--seed</code> <span class="of">default 0</span>' in page
    assert '<code>--cache-size</code> <span class="of">required</span>' in page


def test_the_gallery_says_what_was_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "RUNS", tmp_path)
    monkeypatch.setattr(gallery, "SHORT", ())
    ((address, page),) = gallery.files()
    assert address == "gallery.md"
    assert f"0 of {len(registry.experiment_names())} experiments" in page
    for name in registry.experiment_names():
        assert f"$ regretlab run {name} --scale quick" in page
