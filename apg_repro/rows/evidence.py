"""A suite with its rows: what tables and figures are made from. Imports no torch."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from apg_repro.catalogue import DataSet, data_set
from apg_repro.config import PROTOCOLS, DeviceKind, Profile, Protocol, RunConfig
from apg_repro.rows.row import MeasuredRow, Row, TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import Cell, Options, Plan, Suite, candidate, configure


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A suite on one data set, with what the store holds.

    Attributes:
        runs: every training run of the data set by id, whichever table it was trained for.
        measured: the suite's own measurements, by case; of times, those on the plan's kind of device.
        elsewhere: those on the other kinds of device, see ``on``.
    """

    suite: Suite
    plan: Plan
    runs: Mapping[str, TrainedRow] = field(default_factory=dict)
    measured: Mapping[str, MeasuredRow] = field(default_factory=dict)
    elsewhere: Mapping[DeviceKind, Mapping[str, MeasuredRow]] = field(default_factory=dict)
    _known: dict[Any, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the plan."""
        return self.suite.cells(self.plan)

    def on(self, kind: DeviceKind) -> "Evidence":
        """The same with the measurements on this kind of device."""
        here = self.plan.device_kind
        if kind == here:
            return self
        plan = replace(self.plan, device_kind=kind)
        return replace(self, plan=plan, measured=self.elsewhere.get(kind, {}), elsewhere={here: self.measured})

    @property
    def is_result(self) -> bool:
        """Whether its numbers get verdicts: those of the quick profile are not results."""
        return self.plan.profile == "full"

    @cached_property
    def is_begun(self) -> bool:
        """Whether at least half of what is compared has been run: a base that another table shares is not enough.

        Costly cells do not count, as they are trained last.
        """
        compared = [cell for cell in self.cells if cell.against and not cell.cost_tier] or self.cells
        begun = [cell for cell in compared if any(self.found(cell, protocol) for protocol in PROTOCOLS)]
        return 0 < len(compared) <= 2 * len(begun) or bool(self.measured or any(self.elsewhere.values()))

    @property
    def data(self) -> DataSet:
        """The data set's entry in the catalogue."""
        return data_set(self.plan.dataset)

    def cell(self, name: str, backbone: str | None = None) -> Cell:
        """The cell of that name; the first of that name if the backbone is not said."""
        return next(cell for cell in self.cells if cell.name == name and backbone in (None, cell.backbone))

    def labelled(self, **labels: Any) -> list[Cell]:
        """The cells that have all of these labels, in order."""
        return [cell for cell in self.cells if labels.items() <= cell.labels.items()]

    def label(self, cell: Cell) -> str:
        """What a cell is called in figures: with its backbone, where a name stands for cells of several."""
        is_enough = len({other.name for other in self.cells}) == len(self.cells)
        return cell.title if is_enough else f"{cell.backbone} {cell.title}"

    def search(self) -> list[RunConfig]:
        """The runs that choose hyper-parameters, each once: the costly cells last."""
        cells = sorted(self.cells, key=lambda cell: cell.cost_tier)
        return once([config for cell in cells for config in self.candidates(cell)])

    def candidates(self, cell: Cell) -> list[RunConfig]:
        """The search's run of each point of a cell's grid, in its order."""
        return self.remembered(
            ("candidates", cell.key), lambda: [candidate(self.plan, cell, point) for point in cell.grid]
        )

    def chosen(self, cell: Cell, protocol: Protocol) -> Options | None:
        """The point of a cell's grid with the highest validation AUC; {} without a grid, None before all are searched.

        A diverged run is chosen only if all diverged.
        """
        return self.remembered(("chosen", cell.key, protocol), lambda: self._choose(cell, protocol))

    def _choose(self, cell: Cell, protocol: Protocol) -> Options | None:
        if not cell.grid:
            return {}
        rows = [(point, self.runs.get(run.id)) for point, run in zip(cell.grid, self.candidates(cell), strict=True)]
        if any(row is None for _, row in rows):
            return None
        scored = [(point, row) for point, row in rows if row and not math.isnan(row.valid_auc(protocol))]
        sound = [(point, row) for point, row in scored if row.status == "ok"] or scored
        return max(sound, key=lambda found: found[1].valid_auc(protocol), default=(None, None))[0]

    def reported(self, cell: Cell, protocol: Protocol) -> list[RunConfig]:
        """The runs whose scores a cell shows: every seed, with what the search chose; none before it has."""
        return self.remembered(("reported", cell.key, protocol), lambda: self._report(cell, protocol))

    def _report(self, cell: Cell, protocol: Protocol) -> list[RunConfig]:
        point = self.chosen(cell, protocol)
        if point is None or (protocol == "early_stopping" and cell.options.get("max_epochs") == 1):
            return []
        return self.remembered(
            ("seeds", cell.key, *point.items()),  # both protocols may have chosen the same
            lambda: [configure(self.plan, cell, seed, point) for seed in self.plan.seeds[: cell.n_seeds]],
        )

    def wanted(self) -> list[RunConfig]:
        """All reported runs, each once: the costly cells last, and the first seed of all before the second of any."""
        found = [
            (cell.cost_tier, place, config)
            for cell in self.cells
            for protocol in PROTOCOLS
            for place, config in enumerate(self.reported(cell, protocol))
        ]
        return once([config for *_, config in sorted(found, key=lambda entry: entry[:2])])

    def found(self, cell: Cell, protocol: Protocol) -> list[TrainedRow]:
        """The reported rows of a cell under a protocol."""
        return [self.runs[config.id] for config in self.reported(cell, protocol) if config.id in self.runs]

    def by_seed(self, cell: Cell, protocol: Protocol) -> dict[int, float]:
        """The test AUC of a cell in percent, seed by seed; NaN where the run diverged before there was one."""
        return {row.config.seed: row.test_auc(protocol) for row in self.found(cell, protocol)}

    def observed(self, cell: Cell, protocol: Protocol) -> dict[int, Any]:
        """What was recorded of a cell's models besides their scores, seed by seed."""
        rows = self.found(cell, protocol)
        return {row.config.seed: row.observed[protocol] for row in rows if protocol in row.observed}

    def declared_reference(self, cell: Cell) -> Cell | None:
        """The cell that a cell is declared to be compared with: of the same backbone, or else of WDL."""
        named = {other.key: other for other in self.cells}
        against = cell.against or ""
        return named.get((cell.backbone, against)) or named.get(("WDL", against))

    def reference(self, cell: Cell, protocol: Protocol) -> Cell | None:
        """The cell that a cell's differences are taken from: the declared one, or a rival of it that is better."""
        return next(iter(self.references([cell], protocol)), None)

    def references(self, cells: Sequence[Cell], protocol: Protocol) -> list[Cell]:
        """What the mean of some cells is compared with: the reference of each, chosen on the seeds that all share."""
        declared = self.declared_references(cells)
        return [self.stronger(one, protocol, [*cells, *declared]) for one in declared]

    def declared_references(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells that these are declared to be compared with."""
        return [declared for cell in cells if (declared := self.declared_reference(cell))]

    def lack_rivals(self, cells: Sequence[Cell], protocol: Protocol) -> bool:
        """Whether a rival of the references of some cells has not been run for every seed that all of them share."""
        declared = self.declared_references(cells)
        return any(self.lacks_rival(one, protocol, [*cells, *declared]) for one in declared)

    def rivals(self, cell: Cell, protocol: Protocol) -> list[Cell]:
        """The cells that stand beside a cell as references: those of one epoch beside weights of one epoch.

        With early stopping they do so where every run of the cell is best after its first epoch. A rival of a searched
        cell is a further part of its grid, and belongs to it under both protocols.
        """
        epochs = {row.epoch(protocol) for row in self.found(cell, protocol)}
        if protocol != "one_epoch" and epochs != {1} and not cell.grid:
            return []
        return [other for other in self.cells if (other.backbone, other.rival_of) == cell.key]

    def lacks_rival(self, cell: Cell, protocol: Protocol, compared: Sequence[Cell] = ()) -> bool:
        """Whether a rival of a cell has not been run for every seed that the cell and those compared with it share."""
        seeds = set(self.shared_seeds([cell, *compared], protocol))
        return any(not seeds <= self.by_seed(rival, protocol).keys() for rival in self.rivals(cell, protocol))

    def stronger(self, cell: Cell, protocol: Protocol, compared: Sequence[Cell] = ()) -> Cell:
        """A cell or, if that is better on the validation rows of the seeds at hand, its rival.

        Args:
            cell: a reference.
            compared: cells whose differences from it are taken. The seeds are those that they share with it; a rival
                that lacks one of these is left out.
        """
        seeds = set(self.shared_seeds([cell, *compared], protocol) or self.shared_seeds([cell], protocol))
        rivals = [rival for rival in self.rivals(cell, protocol) if seeds <= self.by_seed(rival, protocol).keys()]
        if not seeds or not rivals:
            return cell

        def valid_auc(one: Cell) -> float:
            found = [row.valid_auc(protocol) for row in self.found(one, protocol) if row.config.seed in seeds]
            mean = float(np.mean(found))
            return -math.inf if math.isnan(mean) else mean

        return max([cell, *rivals], key=valid_auc)  # the cell itself, if they are equal

    def differences(self, cell: Cell, protocol: Protocol) -> list[float]:
        """Test AUC of a cell less that of its reference, in points, for the seeds that both have."""
        return self.mean_differences([cell], protocol)

    def mean_differences(self, cells: Sequence[Cell], protocol: Protocol) -> list[float]:
        """Mean test AUC of some cells less that of their references, in points, for the seeds that all have."""
        references = self.references(cells, protocol)
        return self.between(cells, references, protocol) if references else []

    def on_another_machine(self, cell: Cell, protocol: Protocol) -> list[TrainedRow]:
        """The rows of a cell whose reference was trained on another device for the same seed.

        Devices add in another order, and training amplifies what rounding leaves, to almost a tenth of a point of
        AUC (SD).
        """
        reference = self.reference(cell, protocol)
        theirs = {row.config.seed: row.origin.device for row in self.found(reference, protocol)} if reference else {}
        return [
            row for row in self.found(cell, protocol)
            if theirs.get(row.config.seed, row.origin.device) != row.origin.device
        ]  # fmt: skip

    def between(self, ours: Sequence[Cell], theirs: Sequence[Cell], protocol: Protocol) -> list[float]:
        """Mean test AUC of some cells less that of others, in points, for the seeds that all of them have."""
        plus, minus = ([self.by_seed(cell, protocol) for cell in cells] for cells in (ours, theirs))
        return [
            float(np.mean([scores[seed] for scores in plus]) - np.mean([scores[seed] for scores in minus]))
            for seed in self.shared_seeds([*ours, *theirs], protocol)
        ]

    def shared_seeds(self, cells: Sequence[Cell], protocol: Protocol) -> list[int]:
        """The seeds that all of these cells have."""
        scores = [self.by_seed(cell, protocol) for cell in cells]
        return [seed for seed in self.plan.seeds if all(seed in of_cell for of_cell in scores)]

    @cached_property
    def trained(self) -> list[TrainedRow]:
        """Every row of training that the suite's page rests on: of the search, and of the reported runs."""
        wanted = once([*self.search(), *self.wanted()])
        return [self.runs[config.id] for config in wanted if config.id in self.runs]

    @cached_property
    def rows(self) -> list[Row]:
        """Every row that the suite's page rests on: those of training, and measurements."""
        measured = [row for rows in (self.measured, *self.elsewhere.values()) for row in rows.values()]
        return [*self.trained, *measured]

    def remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made once: rows do not change."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def progress(evidence: Evidence) -> dict[str, tuple[int, int]]:
    """How much of a suite there is, and of how much: "search", "runs", and "measurements", by device if they differ.

    How many runs there will be is known once the search is done.
    """
    parts = {"search": evidence.search(), "runs": evidence.wanted()}
    found = {name: (sum(one.id in evidence.runs for one in configs), len(configs)) for name, configs in parts.items()}
    kinds = evidence.suite.kinds
    for kind in kinds:
        on = evidence.on(kind)
        name = f"measurements on a {'GPU' if kind == 'cuda' else 'CPU'}" if len(kinds) > 1 else "measurements"
        found[name] = len(on.measured), len(evidence.suite.measurements(on.plan))
    return found


def once(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """These runs, each once."""
    return list({config.id: config for config in configs}.values())


def begun(suite: Suite, store: Store, profile: Profile = "full") -> list[Evidence]:
    """A suite on each of its data sets on which it has been begun (``Evidence.is_begun``)."""
    found = [gather(suite, Plan(profile=profile, dataset=dataset), store) for dataset in suite.datasets]
    return [evidence for evidence in found if evidence.is_begun]


def gather(suite: Suite, plan: Plan, store: Store) -> Evidence:
    """A suite on one data set, with what the store holds of it."""
    rows = store.measured(plan.profile, suite.name, plan.dataset)

    def measured(kind: DeviceKind) -> dict[str, MeasuredRow]:
        wanted = {task.id for task in suite.measurements(replace(plan, device_kind=kind))}
        return {row.measurement.case: row for row in rows.values() if row.id in wanted}

    here = plan.device_kind
    others: list[DeviceKind] = [kind for kind in suite.kinds if kind != here]
    return Evidence(
        suite=suite, plan=plan, runs=store.runs(plan.profile, plan.dataset), measured=measured(here),
        elsewhere={kind: measured(kind) for kind in others},
    )  # fmt: skip
