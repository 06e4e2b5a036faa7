"""Small instances of paging for hypothesis."""

from hypothesis import strategies as st

from simulators import Trace

cache_sizes = st.integers(1, 4)
requests = st.lists(st.integers(0, 5), min_size=0, max_size=40)
short_requests = st.lists(st.integers(0, 4), min_size=1, max_size=9)
seeds = st.integers(0, 2**32)


@st.composite
def predicted_requests(draw, pages=5, longest=9):
    """Requests and as many bits."""
    sequence = draw(st.lists(st.integers(0, pages - 1), min_size=1, max_size=longest))
    bits = draw(st.lists(st.integers(0, 1), min_size=len(sequence), max_size=len(sequence)))
    return sequence, bits


@st.composite
def timed_traces(draw, pages=6, longest=60):
    """A trace with predicted times, and bits."""
    sequence = draw(st.lists(st.integers(0, pages - 1), min_size=1, max_size=longest))
    n = len(sequence)
    times = draw(st.lists(st.integers(0, n), min_size=n, max_size=n))
    return Trace(sequence, bits=[page % 2 for page in sequence], arrivals=times)
