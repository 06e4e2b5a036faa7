"""Belady: the offline optimum, which knows the whole sequence in advance.

Source: L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", 1966.
"""

from __future__ import annotations

from algos.contracts import description
from algos.optimal_paging import lfd_access, lfd_init
from online.paging.policy import EvictionKernels, EvictionPolicy

__all__ = ["Belady"]


@description
class Belady(EvictionPolicy):
    """Evict the page whose next request is latest (longest forward distance).

    The number of faults is OPT, the least that any policy can have, for every prefix of the requests. O(n) time;
    ties, which occur only among pages that are never requested again, do not change which requests are faults.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy, shared with `algos.optimal_paging`."""
        return EvictionKernels(lfd_init, lfd_access)
