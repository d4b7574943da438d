"""The YAML at the top of a lesson, with the line of every mistake."""
