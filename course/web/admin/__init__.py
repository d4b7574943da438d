"""Pages for the people who run the school. Knows nothing of the learners' pages."""
