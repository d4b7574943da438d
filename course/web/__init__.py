"""Doors for browsers. They write down what is owed and show what is so; they never send mail."""
