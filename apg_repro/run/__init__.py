"""What is missing → executors → rows of the store."""
