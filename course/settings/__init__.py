"""Where settings come from, and what each may be."""
