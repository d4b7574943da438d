"""Reads mail that came back: bounces, delays, complaints, answers of machines.

Bytes become a value, and nothing else happens: this room neither fetches mail nor knows any
learner, believes no report (whoever asks proves it by token or Message-ID), and raises for none.
"""

from scheduler.returns.reading import read
from scheduler.returns.returned import Failure, Nature, Returned

__all__ = ["Failure", "Nature", "Returned", "read"]
