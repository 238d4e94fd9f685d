"""Prepared data sets: their schema, how they are prepared, and how they are read and split."""
