"""Learners that answer a sequence of requests: paging, and what later families add."""

from online import paging

__all__ = ["paging"]
