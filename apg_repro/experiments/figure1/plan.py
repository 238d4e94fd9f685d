"""Figure 1: active and cold users.

The paper's users are private, and its figure gives no definition. Here *cold* users are the share of the users with the
fewest rows, *active* ones the same share with the most. Verdicts are on the first of the shares.
"""

from apg_repro.catalogue import CATALOGUE
from apg_repro.suite import Suite, one_measurement

SHARES = {"quarter": 0.25, "tenth": 0.1}

SUITE = Suite(
    name="figure1", title="Figure 1: active and cold users",
    datasets=tuple(name for name, entry in CATALOGUE.items() if entry.trait), measurements=one_measurement("figure1"),
)  # fmt: skip
