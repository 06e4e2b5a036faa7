"""Gradient codes: what each worker computes, and how the whole gradient follows from those that answer."""

from algos.gradient_codes.code import GradientCode, IllConditionedCode, gradient_code_load
from algos.gradient_codes.cyclic import CyclicMDSCode, CyclicRandomCode
from algos.gradient_codes.polynomial import PolynomialCode
from algos.gradient_codes.repetition import (
    FractionalRepetitionCode,
    UnevenRepetitionCode,
    repetition_decoding_probability,
    uneven_groups,
)

__all__ = [
    "CyclicMDSCode",
    "CyclicRandomCode",
    "FractionalRepetitionCode",
    "GradientCode",
    "IllConditionedCode",
    "PolynomialCode",
    "UnevenRepetitionCode",
    "gradient_code_load",
    "repetition_decoding_probability",
    "uneven_groups",
]
