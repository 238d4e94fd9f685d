"""Table 6's memory: weights of the hidden layers of its models.

What a domain adds is the same for every domain, so two models, of two domains and of three, tell how many weights
thousands of them have: a Star of each movie, item or brand need not be made.
"""

import dataclasses
from typing import Any

from apg_repro.build import build
from apg_repro.config import Measurement, RunConfig
from apg_repro.data import Schema, load
from apg_repro.nn.apg import fold
from apg_repro.suites import SEEDS, Plan, get_suite
from apg_repro.train import count


def measure(measurement: Measurement) -> dict[str, Any]:
    """Of every row that the paper prints: domains, and weights in training and as served, U and V multiplied out."""
    data = load(measurement.dataset)
    suite, profile = get_suite("table6"), measurement.profile
    plan = Plan(profile=profile, dataset=measurement.dataset, seeds=SEEDS[profile])
    configs = {cell.variant: suite.config(plan, cell, 1) for cell in suite.cells(plan) if cell.paper is None}
    return {
        "models": {
            variant: {
                "domains": data.schema.fields.get(config.domain or config.condition, 1),
                "trained": hidden_weights(config, data.schema, served=False),
                "served": hidden_weights(config, data.schema, served=True),
            }
            for variant, config in configs.items()
        },
        "data": data.checksum[:12],
    }


def hidden_weights(config: RunConfig, schema: Schema, *, served: bool) -> int:
    """Weights and biases of the hidden layers of a model on these fields."""

    def with_ids(n: int) -> int:
        model = build(config, dataclasses.replace(schema, fields=dict.fromkeys(schema.fields, n)))
        return count((fold(model) if served else model).deep)  # pyright: ignore[reportArgumentType]

    if config.domain is None:
        return with_ids(2)
    two, three = with_ids(2), with_ids(3)
    return two + (schema.fields[config.domain] - 2) * (three - two)
