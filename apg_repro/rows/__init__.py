"""Rows of ``results/``: their types, where they are kept, what they rest on, and what a suite finds among them."""
