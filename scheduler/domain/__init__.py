"""Frozen nouns shared by both buildings. No I/O, no clock, no third-party package."""
