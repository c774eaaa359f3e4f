"""Fixtures of the tests of synthetic data."""

from __future__ import annotations

from tests.synthesis.standin_server import standin

__all__ = ["standin"]
