"""The streams of many replications through one generator, for kernels that run thousands of short replications.

A run of a few microseconds cannot afford a generator of its own: making one costs more than the run. Here the initial
states of the streams that `algos.streams.stream` would make are computed in bulk, and one generator takes them in turn:
a kernel loads the state of a replication into the generator's memory, draws, and keeps the state for later. The bits
are those of `stream(seed, cell, replication)`, whatever replications run beside it.

Both halves rest on what NumPy promises to keep: the seeding of ``SeedSequence`` and PCG64DXSM (NEP 19), and the address
of a bit generator's state. The layout behind the address is checked against the documented ``state`` before use.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.streams import stable_hash

__all__ = ["ReplicationStreams", "initial_states", "no_streams", "replication_streams", "resume", "suspend"]

_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645  # PCG64DXSM is seeded with the multiplier of PCG64
_LAST_REPLICATION = 2**32 - 1  # one word of entropy


class ReplicationStreams(NamedTuple):
    """What a kernel needs to change between streams; `states` is empty for a generator that stays on its own."""

    states: NDArray[np.uint64]  # (R, 5): state low, state high, increment low, increment high, buffered 32-bit draw
    words: NDArray[np.uint64]  # (4,) view of the generator's 128-bit state and increment
    buffer: NDArray[np.uint64]  # (1,) view of what the generator keeps of a draw of 32 bits


def replication_streams(seed: int, cell: Any, first: int, count: int) -> tuple[np.random.Generator, ReplicationStreams]:
    """A generator, and the streams of replications first, ..., first + count - 1 for it to take in turn.

    Parameters
    ----------
    seed : int >= 0
        The run's one seed.
    cell : JSON-like value
        What the replications belong to, exactly as given to `algos.streams.stream`.
    first, count : int >= 0
        Which replications; their numbers stay below 2**32.
    """
    generator = np.random.Generator(np.random.PCG64DXSM(0))
    words, buffer = _memory(generator)
    states = np.zeros((count, 5), dtype=np.uint64)
    states[:, :4] = initial_states(seed, cell, first, count)
    return generator, ReplicationStreams(states, words, buffer)


def no_streams() -> ReplicationStreams:
    """For a generator that keeps to its own stream: `resume` and `suspend` leave it alone."""
    return ReplicationStreams(np.empty((0, 5), np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint64))


@njit(forceinline=True)
def resume(streams, replication):
    """Let the generator go on where the stream of this replication stopped."""
    if streams.states.shape[0] > 0:
        for i in range(4):
            streams.words[i] = streams.states[replication, i]
        streams.buffer[0] = streams.states[replication, 4]


@njit(forceinline=True)
def suspend(streams, replication):
    """Remember where the stream of this replication stopped."""
    if streams.states.shape[0] > 0:
        for i in range(4):
            streams.states[replication, i] = streams.words[i]
        streams.states[replication, 4] = streams.buffer[0]


def initial_states(seed: int, cell: Any, first: int, count: int) -> NDArray[np.uint64]:
    """State and increment of PCG64DXSM for each replication, low word before high, shape (count, 4)."""
    seed, start = whole_number(seed, "seed", 0), whole_number(first, "first", 0)
    if start + whole_number(count, "count", 0) - 1 > _LAST_REPLICATION:
        raise ValueError(f"replications: {start + count - 1} is above {_LAST_REPLICATION}")
    replications = np.arange(start, start + count, dtype=np.uint64)
    high_state, low_state, high_stream, low_stream = _generate_state(seed, stable_hash(cell), replications)
    one = np.uint64(1)
    low_increment = (low_stream << one) | one
    high_increment = (high_stream << one) | (low_stream >> np.uint64(63))
    # From state 0: one step, add the initial state, one more step.
    low, high = _add(low_increment, high_increment, low_state, high_state)
    low, high = _multiply(low, high)
    low, high = _add(low, high, low_increment, high_increment)
    return np.stack([low, high, low_increment, high_increment], axis=1)


def _generate_state(seed: int, cell_hash: int, replications: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """``SeedSequence(seed, spawn_key=(cell_hash, r)).generate_state(4, uint64)`` for many r: four arrays."""
    pool = np.random.SeedSequence(seed, spawn_key=(cell_hash,)).pool.astype(np.uint64)
    # The replication is the last word of entropy: all before it is mixed into `pool` already. The hash constant was
    # multiplied once for each of the 4 + 12 hashes of the first four words, and four times for each later word.
    words = max(4, -(-seed.bit_length() // 32)) + max(1, -(-cell_hash.bit_length() // 32))
    constant = 0x43B0D7E5 * pow(0x931E8875, 16 + 4 * (words - 4), 2**32) % 2**32
    mixed = []
    for i in range(4):
        hashed = replications ^ np.uint64(constant)
        constant = constant * 0x931E8875 % 2**32
        hashed = hashed * np.uint64(constant) & _WORD
        hashed ^= hashed >> np.uint64(16)
        value = np.uint64(int(pool[i]) * 0xCA01F9DD % 2**32) - (hashed * np.uint64(0x4973F715) & _WORD) & _WORD
        mixed.append(value ^ value >> np.uint64(16))
    constant, halves = 0x8B51F9DD, []
    for i in range(8):
        value = mixed[i % 4] ^ np.uint64(constant)
        constant = constant * 0x58F38DED % 2**32
        value = value * np.uint64(constant) & _WORD
        halves.append(value ^ value >> np.uint64(16))
    return [halves[2 * i] | halves[2 * i + 1] << _HALF for i in range(4)]


def _add(
    low: NDArray[np.uint64], high: NDArray[np.uint64], low_term: NDArray[np.uint64], high_term: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    total = low + low_term
    return total, high + high_term + (total < low).astype(np.uint64)


def _multiply(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """A 128-bit number times the multiplier, modulo 2**128."""
    upper, lower = np.uint64(_MULTIPLIER >> 64), np.uint64(_MULTIPLIER % 2**64)
    left, right = lower >> _HALF, lower & _WORD
    a, b = low >> _HALF, low & _WORD
    middle = a * right + (b * right >> _HALF)
    carry = (middle & _WORD) + b * left
    above = a * left + (middle >> _HALF) + (carry >> _HALF)
    return low * lower, high * lower + low * upper + above


def _memory(generator: np.random.Generator) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Views of a PCG64DXSM generator's memory: its state and increment, and its buffer of 32 bits."""
    address = generator.bit_generator.ctypes.state_address
    pointer, buffer = np.ctypeslib.as_array((ctypes.c_uint64 * 2).from_address(address))
    words = np.ctypeslib.as_array((ctypes.c_uint64 * 4).from_address(int(pointer)))
    state = generator.bit_generator.state
    kept = [int(state["state"]["state"]), int(state["state"]["inc"])]
    seen = [int(words[0]) | int(words[1]) << 64, int(words[2]) | int(words[3]) << 64]
    if seen != kept or int(buffer) != (int(state["has_uint32"]) | int(state["uinteger"]) << 32):
        raise RuntimeError("NumPy keeps the state of PCG64DXSM in another layout here than this module knows")
    return words, np.ctypeslib.as_array((ctypes.c_uint64 * 1).from_address(address + 8))
