"""Streams taken in turn by one generator: the bits of `stream`, however the turns are taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import stream
from algos.replication_streams import _memory, initial_states, no_streams, replication_streams, resume, suspend
from algos.streams import stable_hash

seeds = st.one_of(st.integers(0, 3), st.integers(0, 2**70), st.integers(2**120, 2**200))
cells = st.one_of(st.none(), st.integers(-5, 5), st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=3))


@given(seeds, cells, st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 4)))
def test_states_are_those_of_the_streams(seed, cell, first):
    states = initial_states(seed, cell, first, 3)
    for r in range(3):
        state = stream(seed, cell, first + r).bit_generator.state["state"]
        words = [int(word) for word in states[r]]
        assert words[0] | words[1] << 64 == state["state"]
        assert words[2] | words[3] << 64 == state["inc"]


def test_a_cell_whose_hash_is_short_has_its_own_streams(monkeypatch):
    for short in (0, 7, 2**32 - 1, 2**32):
        monkeypatch.setattr("algos.replication_streams.stable_hash", lambda cell, short=short: short)
        sequence = np.random.SeedSequence(5, spawn_key=(short, 9))
        state = np.random.PCG64DXSM(sequence).state["state"]
        low, high = (int(word) for word in initial_states(5, None, 9, 1)[0][:2])
        assert low | high << 64 == state["state"]
    assert stable_hash(None) >= 2**32


@pytest.mark.parametrize("kernel", ["compiled", "interpreted"])
@given(turns=st.lists(st.integers(0, 3), max_size=30), seed=st.integers(0, 2**40))
def test_any_order_of_turns_draws_each_stream_from_its_start(kernel, turns, seed):
    load, keep = (resume, suspend) if kernel == "compiled" else (resume.py_func, suspend.py_func)
    rng, streams = replication_streams(seed, "turns", 2, 4)
    alone = [stream(seed, "turns", 2 + r) for r in range(4)]
    for r in turns:
        load(streams, r)
        # A draw of 32 bits leaves half a word behind: it must wait for its own stream.
        drawn = (rng.integers(0, 1000, dtype=np.uint32), rng.random(), rng.binomial(50, 0.3), rng.laplace())
        expected = alone[r]
        assert drawn == (
            expected.integers(0, 1000, dtype=np.uint32),
            expected.random(),
            expected.binomial(50, 0.3),
            expected.laplace(),
        )
        keep(streams, r)


def test_a_generator_of_its_own_is_left_alone():
    rng, alone = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(3):
        resume(no_streams(), 0)
        assert rng.random() == alone.random()
        suspend(no_streams(), 0)


def test_replications_beyond_one_word_are_refused():
    with pytest.raises(ValueError, match=r"^replications: 4294967296 is above 4294967295"):
        initial_states(0, None, 2**32, 1)
    with pytest.raises(ValueError, match=r"^seed: -1"):
        initial_states(-1, None, 0, 1)


def test_an_unknown_layout_is_noticed_before_it_is_used():
    class Swapped:
        """A generator that says another state than its memory holds."""

        def __init__(self):
            self.generator = np.random.Generator(np.random.PCG64DXSM(1))
            self.ctypes = self.generator.bit_generator.ctypes

        @property
        def bit_generator(self):
            return self

        @property
        def state(self):
            state = self.generator.bit_generator.state
            state["state"]["inc"] += 2
            return state

    with pytest.raises(RuntimeError, match="layout"):
        _memory(Swapped())
