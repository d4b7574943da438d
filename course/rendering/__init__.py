"""The two shapes a lesson takes: HTML for mail programs, and plain text."""
