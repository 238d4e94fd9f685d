"""Seeds and random generators, one for each purpose."""

import hashlib

import torch


def derive_seed(seed: int, *purpose: object) -> int:
    """A seed of its own for each purpose, so that no use of randomness shifts another."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A CPU random generator seeded by ``derive_seed``."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))
