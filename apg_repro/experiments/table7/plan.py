"""Table 7: the data sets, counted."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.suite import Suite, one_measurement

SUITE = Suite(
    name="table7", title="Table 7: the data sets", datasets=REAL_OR_SYNTHETIC, measurements=one_measurement("table7")
)
