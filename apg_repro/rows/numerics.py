"""Whether the code still gives a row's numbers: cases, their recorded golden runs, their versions. Imports no torch.

A *case* is the part of a configuration that chooses code rather than size. ``results/numerics.json`` holds, for every
case, what a small golden run of it gives in double precision, and a version that is raised when that changes
(``run/golden.py`` runs them). A row carries the version that its case had when it was trained; it is stale if
today's is another, or if its data are no longer what they were.
"""

import functools
from pathlib import Path
from typing import Any

from apg_repro.config import RunConfig
from apg_repro.data.checksums import recorded
from apg_repro.errors import UserError
from apg_repro.paths import RESULTS, read_object
from apg_repro.rows.provenance import TIMING
from apg_repro.rows.row import Row, TrainedRow

PATH = RESULTS / "numerics.json"


def case_of(config: RunConfig) -> str:
    """The name of a run's case: backbone, version, and whatever else chooses code rather than size."""
    mix, generates = config.mix, config.version != "base"
    parts = [config.backbone, config.version]
    parts += [f"{name} {value}" for name, value in config.backbone_options.items()]
    if generates:
        plain = {"self": "self-wise", "none": "no condition"}.get(config.condition, "group-wise")
        parts.append(f"{mix.where} {mix.how}" if mix else plain)
        # S of more rows than U has takes another way: see ``nn/apg.py``.
        parts += ["K above the width"] if config.rank and config.rank > min(config.hidden) else []
        parts += ["several layers of G"] if config.generator_layers > 1 else []
        parts += ["projections"] if config.projections else []
        parts += [config.init] if config.init != RunConfig.init else []
        parts += [] if config.damping else ["not damped"]
    if config.domain:
        parts.append("combined domains" if "+" in config.domain else "domains")
    parts += ["damped"] if config.base_damping else []
    parts += [config.optimizer] if config.optimizer != RunConfig.optimizer else []
    parts += ["weight decay"] if config.weight_decay else []
    parts += [] if config.clip_norm else ["not clipped"]
    parts += [] if config.start_seed is None else ["another start"]
    # "truth" is computed from the data alone, whose checksum a row carries.
    parts += [f"observes {config.observe}"] if config.observe not in ("", "truth") else []
    return ", ".join(parts)


@functools.cache
def record(path: Path = PATH) -> dict[str, Any]:
    """Every recorded case: its "version", and the "values" that its golden run gave; none without a file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        if not isinstance(cases := read_object(path)["cases"], dict):
            raise ValueError("its cases are no object")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}): get it back with `git checkout -- {path}`") from error
    return cases


def version_of(config: RunConfig) -> int:
    """Today's version of a run's case; 0 for a case that is not recorded."""
    return record().get(case_of(config), {}).get("version", 0)


def why_stale(row: Row) -> str:
    """Why today's code or data would not give a row's numbers; "" if they would."""
    if isinstance(row, TrainedRow):
        if row.numerics != version_of(row.config):
            return "the code that determines its numbers has changed since"
        known = recorded(row.config.dataset, row.config.features)
        return "its data have changed since" if known and known[:12] != row.origin.data else ""
    return "the way of timing has changed since" if row.timing not in (None, TIMING) else ""
