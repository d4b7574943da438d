"""Doors for terminals. They write down what is owed and show what is so."""
