"""How the space is searched: ask/tell strategies. `registry` has them by name."""

from .core import Book, Proposal, Trial
from .protocol import Strategy
from .registry import build, find, known, register

__all__ = ["Book", "Proposal", "Strategy", "Trial", "build", "find", "known", "register"]
