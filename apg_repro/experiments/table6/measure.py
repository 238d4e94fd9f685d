"""Table 6's memory: weights of the hidden layers of its models.

What a domain adds is the same for every domain. So two models, one of two domains and one of three, show how many
weights thousands of domains have: a Star of each movie, item or brand need not be made.

The last unit is no hidden layer in any model. MMoE keeps one for every domain in its deep part: these do not count.
"""

import dataclasses
from typing import Any

from apg_repro.config import Measurement, RunConfig
from apg_repro.data.dataset import load
from apg_repro.data.schema import Schema
from apg_repro.experiments.table6.plan import models
from apg_repro.models.mmoe import Mixture
from apg_repro.nn.apg import count_served
from apg_repro.suite import Plan, configure
from apg_repro.training.build import build
from apg_repro.training.train import count


def measure(measurement: Measurement) -> dict[str, Any]:
    """For every row that the paper prints: domains, and weights in training and as served, v5 folded."""
    data, profile = load(measurement.dataset), measurement.profile
    plan = Plan(profile=profile, dataset=measurement.dataset)
    configs = {cell.name: configure(plan, cell, plan.seeds[0]) for cell in models(plan) if cell.is_printed}
    return {"models": {name: weights(config, data.schema) for name, config in configs.items()}, "data": data.checksum}


def weights(config: RunConfig, schema: Schema) -> dict[str, int]:
    """A model's domains, and the weights and biases of its hidden layers, "trained" and "served"."""
    if config.domain is None:
        trained, served = hidden_weights(config, schema, n_ids=2)
        return {"domains": schema.fields.get(config.condition, 1), "trained": trained, "served": served}
    n_domains = schema.fields[config.domain]
    two, three = (hidden_weights(config, schema, n_ids=n) for n in (2, 3))
    trained, served = (low + (n_domains - 2) * (high - low) for low, high in zip(two, three, strict=True))
    return {"domains": n_domains, "trained": trained, "served": served}


def hidden_weights(config: RunConfig, schema: Schema, n_ids: int) -> tuple[int, int]:
    """Weights and biases of a model's hidden layers in training and as served, if every field has so many ids."""
    small = dataclasses.replace(schema, fields=dict.fromkeys(schema.fields, n_ids))
    hidden = build(config, small).get_submodule("deep")
    last = count(hidden.towers) if isinstance(hidden, Mixture) else 0
    return count(hidden) - last, count_served(hidden) - last
