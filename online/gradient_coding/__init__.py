"""Schemes that compute a sequence of gradients on workers some of which straggle."""
