"""Layers: the APG layer and what a backbone is made of. No backbone, data set or optimiser here."""
