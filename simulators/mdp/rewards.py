"""Rewards with parameters: linear in features, or any smooth function with its Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from algos.arrays import FiniteMatrix
from algos.contracts import Natural, description, read_only

__all__ = ["LinearReward", "ParametricReward", "SmoothReward", "parameter_vector"]


class ParametricReward(Protocol):
    """A reward of states and actions with n parameters; any object of this shape will do."""

    @property
    def n_parameters(self) -> int:
        """n."""  # noqa: D403
        ...

    def __call__(self, parameters: Any) -> NDArray[np.float64]:
        """The reward, shape (S, A)."""
        ...

    def jacobian(self, parameters: Any) -> NDArray[np.float64]:
        """Its derivative, shape (S, A, n)."""
        ...


def _features(value: Any) -> NDArray[np.float64]:
    given = np.asarray(value)
    if given.dtype.kind not in "iuf" or given.ndim != 3 or 0 in given.shape[:2]:
        raise ValueError(f"must be numbers of shape (S, A, n), got shape {given.shape} of {given.dtype}")
    array = np.array(given, dtype=np.float64)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"entry {where} is {array[where]}; every entry must be finite")
    return read_only(array)


Features = Annotated[NDArray[np.float64], PlainValidator(_features), PlainSerializer(lambda array: array.tolist())]


@description
class LinearReward:
    """r_nu(s, a) = offset(s, a) + <features(s, a), nu>.

    Parameters
    ----------
    features : float, shape (S, A, n)
        phi; n may be 0.
    offset : float, shape (S, A), optional
        A part that the designer cannot change; 0 when omitted. With tau log pi_ref(a|s) the agent pays tau times its
        Kullback-Leibler divergence from pi_ref, in the place of its entropy's bonus.

    Examples
    --------
    >>> LinearReward([[[1.0], [2.0]]], offset=[[0.5, 0.5]])([3.0]).tolist()
    [[3.5, 6.5]]
    """

    features: Features
    offset: Annotated[FiniteMatrix | None, Field(kw_only=True)] = None

    @model_validator(mode="after")
    def _fits(self) -> LinearReward:
        if self.offset is not None and self.offset.shape != self.features.shape[:2]:
            raise ValueError(f"offset: shape {self.offset.shape} is not {self.features.shape[:2]}")
        return self

    @property
    def n_parameters(self) -> int:
        """n."""  # noqa: D403
        return int(self.features.shape[2])

    def __call__(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """The reward, shape (S, A)."""
        found = self.features @ parameter_vector(parameters, self.n_parameters)
        return found if self.offset is None else self.offset + found

    def jacobian(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """Its derivative, the features, shape (S, A, n)."""
        parameter_vector(parameters, self.n_parameters)
        return self.features


@description
class SmoothReward:
    """Any smooth reward, by a function and its Jacobian.

    Parameters
    ----------
    function : callable
        From nu, shape (n,), to the reward, shape (S, A).
    derivative : callable
        From nu to dr / dnu, shape (S, A, n).
    n_parameters : int >= 0
        n.

    Examples
    --------
    >>> squared = SmoothReward(lambda nu: nu[None] ** 2, lambda nu: np.diag(2 * nu)[None], 2)
    >>> squared([1.0, 3.0]).tolist(), squared.jacobian([1.0, 3.0]).tolist()
    ([[1.0, 9.0]], [[[2.0, 0.0], [0.0, 6.0]]])
    """

    function: Callable[[Any], Any]
    derivative: Callable[[Any], Any]
    n_parameters: Natural

    def __call__(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """The reward, shape (S, A).

        Raises
        ------
        ValueError
            When it is not a matrix of finite numbers.
        """
        return self._checked("function", self.function, parameters, 2)

    def jacobian(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """Its derivative, shape (S, A, n).

        Raises
        ------
        ValueError
            When it is not of this shape or not finite.
        """
        found = self._checked("derivative", self.derivative, parameters, 3)
        if found.shape[2] != self.n_parameters:
            raise ValueError(f"derivative: returned shape {found.shape}, not (S, A, {self.n_parameters})")
        return found

    def _checked(self, name: str, function: Any, parameters: ArrayLike, dimensions: int) -> NDArray[np.float64]:
        nu = parameter_vector(parameters, self.n_parameters)
        found = np.asarray(function(nu), dtype=np.float64)
        if found.ndim != dimensions or not np.isfinite(found).all():
            raise ValueError(f"{name}: must return finite numbers in {dimensions} dimensions at {nu.tolist()}")
        return found


def parameter_vector(parameters: ArrayLike, n: int) -> NDArray[np.float64]:
    """Parameters as a vector of n numbers.

    Raises
    ------
    ValueError
        For another shape, and for numbers that are not finite.
    """
    nu = np.asarray(parameters, dtype=np.float64)
    if nu.shape != (n,) or not np.isfinite(nu).all():
        raise ValueError(f"parameters: must be {n} finite numbers, got {parameters!r}")
    return nu
