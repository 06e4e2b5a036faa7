"""Learners that answer a sequence of requests: paging, and systems to solve."""

from online import paging, sor_tuning

__all__ = ["paging", "sor_tuning"]
