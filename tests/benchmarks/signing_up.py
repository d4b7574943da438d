"""G8: signup forms posted to a real `course serve`, against a route that only says hello."""

from __future__ import annotations
