"""Literal references: the papers' equations over explicit weights, an instance at a time, loops and all."""
