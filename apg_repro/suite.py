"""How an experiment is declared: which runs or measurements answer a table, and how hyper-parameters are chosen.

A suite is a list of cells, each saying what is trained to answer one number. A cell with a grid is searched first: its
runs on the search seed choose, by validation AUC, what is reported. Cells, seeds and grids are written down before
the runs; a cell that was added later says so (``Cell.registered``). Imports no torch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from apg_repro.config import DEVICE_KINDS, DeviceKind, Measurement, Profile, RunConfig, kind_of
from apg_repro.errors import UserError
from apg_repro.labels import words_for

Options = Mapping[str, Any]  # of a RunConfig

SEARCH_SEED = 0  # splits, initialises and shuffles the search; never reported
SEEDS: dict[Profile, tuple[int, ...]] = {"quick": (1, 2), "full": tuple(range(1, 11))}

# The size of a quick run: the same code on a sample of the rows and with a smaller model.
SIZES: dict[Profile, Options] = {
    "quick": {"rows": 10_000, "d_embedding": 8, "hidden": (64, 32, 16), "max_epochs": 2},
    "full": {},
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What of a suite is wanted.

    Attributes:
        seeds: of what is reported; none given: the profile's.
        device_kind: where what is timed is measured; training runs have the same ids everywhere.

    Raises:
        UserError: an unknown profile; a seed given twice, or the seed that is kept for the search.
    """

    profile: Profile
    dataset: str
    seeds: tuple[int, ...] = ()
    device_kind: DeviceKind = "cpu"

    def on(self, device: str) -> "Plan":
        """The same with timings on a device, such as "cuda:1".

        Raises:
            UserError: it is neither a CPU nor a CUDA device.
        """
        return replace(self, device_kind=kind_of(device))

    def measurements(self, name: str, cases: Iterable[str]) -> tuple[Measurement, ...]:
        """Timings of an artefact, one per case, on the plan's kind of device."""
        return tuple(
            Measurement(
                name=name, dataset=self.dataset, profile=self.profile, case=case, device_kind=self.device_kind
            )
            for case in cases
        )  # fmt: skip

    def __post_init__(self) -> None:
        if self.profile not in get_args(Profile):
            raise UserError(f"profile {self.profile!r} is unknown; choose quick or full")
        if not self.seeds:
            object.__setattr__(self, "seeds", SEEDS[self.profile])
        if min(self.seeds) <= SEARCH_SEED or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds must be different and above {SEARCH_SEED}, which chooses K and P; got {self.seeds}")
        if max(self.seeds) >= 2**63:
            raise UserError(f"seeds must be below 2^63, so that other programs can read the rows; got {self.seeds}")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is trained to answer one number of a table.

    Attributes:
        name: as pages print it. With the backbone it identifies the cell within its suite.
        labels: what pages sort and group cells by, such as {"axis": "P", "value": 8}.
        paper_row: the row of ``paper/numbers.csv`` that it is compared with; None for none.
        is_printed: whether the paper prints this very difference, so that its verdict counts as one of the paper's.
        options: of every run.
        grid: further options among which validation AUC chooses, for each protocol by itself; none: no search.
        search: options of the search alone.
        against: the name of the cell, of the same backbone, that differences are taken from; None for base itself.
        rival_of: the name of a cell, of the same backbone, that this one stands beside as a reference: differences
            after one epoch, and of a searched cell with early stopping as well, are taken from the better of both
            (``Evidence.reference``). "" for none.
        n_seeds: only the plan's first; None: all.
        cost_tier: 0 for minutes, 1 and up for hours on a CPU. Lower tiers are trained first.
        registered: when the cell was added or changed, if results were known by then: pages mark it.
    """

    name: str
    backbone: str = "WDL"
    labels: Mapping[str, Any] = field(default_factory=dict)
    paper_row: str | None = None
    is_printed: bool = False
    options: Options = field(default_factory=dict)
    grid: tuple[Options, ...] = ()
    search: Options = field(default_factory=dict)
    against: str | None = "base"
    rival_of: str = ""
    n_seeds: int | None = None
    cost_tier: int = 0
    registered: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """(backbone, name)."""
        return self.backbone, self.name

    @property
    def title(self) -> str:
        """What pages call it."""
        return words_for(self.name)


def printed(name: str, **rest: Any) -> Cell:
    """A cell that the paper's table has under the same name."""
    return Cell(name=name, paper_row=name, is_printed=True, **rest)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A table or figure: its data sets, and what answers it.

    Attributes:
        name: of the artefact everywhere: its package or module in ``experiments/``, its notebook, its page, its rows.
        title: of its page.
        datasets: those that it can be made for.
        table: in ``paper/numbers.csv``, where it is not called as the suite.
        quick: the data sets of a quick run, where all would be too many.
        cells: what is trained.
        measurements: what is measured without training, by the function ``measure`` of the package's ``measure.py``.
        is_timed: whether those measurements are times.
        is_by_device: whether each kind of device has measurements of its own; times always do.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    table: str = ""
    quick: tuple[str, ...] = ()
    cells: Callable[[Plan], tuple[Cell, ...]] = lambda plan: ()
    measurements: Callable[[Plan], tuple[Measurement, ...]] = lambda plan: ()
    is_timed: bool = False
    is_by_device: bool = False

    @property
    def kinds(self) -> tuple[DeviceKind, ...]:
        """The kinds of device that it is measured on."""
        return DEVICE_KINDS if self.is_timed or self.is_by_device else DEVICE_KINDS[:1]

    @property
    def paper_table(self) -> str:
        """The table in ``paper/numbers.csv``."""
        return self.table or self.name

    @property
    def is_trained(self) -> bool:
        """Whether it has cells, and not measurements alone."""
        return bool(self.cells(Plan(profile="quick", dataset=self.datasets[0])))

    @property
    def page(self) -> str:
        """Its page in the book."""
        return f"executed/{self.name}.ipynb"

    def wanted(self, profile: Profile) -> tuple[str, ...]:
        """The data sets of a profile."""
        return self.quick if self.quick and profile == "quick" else self.datasets

    def check_datasets(self, *names: str) -> None:
        """Raises a UserError if the suite is not made for one of these data sets, or one is named twice."""
        for name in names:
            if name not in self.datasets:
                raise UserError(
                    f"{self.name} is not made for data set {name!r}; choose from {', '.join(self.datasets)}"
                )
        if len(set(names)) < len(names):  # means over data sets would count it twice
            raise UserError(f"data sets must be different; got {', '.join(names)}")


def one_measurement(name: str) -> Callable[[Plan], tuple[Measurement, ...]]:
    """The measurements of a suite whose answer is one row per data set."""
    return lambda plan: (Measurement(name=name, dataset=plan.dataset, profile=plan.profile),)


def configure(plan: Plan, cell: Cell, seed: int, *options: Options) -> RunConfig:
    """A run of a cell; later options win."""
    merged: dict[str, Any] = {}
    for part in (SIZES[plan.profile], cell.options, *options):
        merged |= part
    return RunConfig(dataset=plan.dataset, seed=seed, backbone=cell.backbone, **merged)


def candidate(plan: Plan, cell: Cell, point: Options) -> RunConfig:
    """The search's run of one point of a cell's grid."""
    return configure(plan, cell, SEARCH_SEED, point, cell.search)


def command(name: str, profile: Profile, datasets: Sequence[str], seeds: Sequence[int] = ()) -> str:
    """The command that trains what a suite lacks; without seeds, for the profile's."""
    text = f"python -m apg_repro run {name} --profile {profile} --datasets {','.join(datasets)}"
    return text if tuple(seeds) in ((), SEEDS[profile]) else f"{text} --seeds {','.join(map(str, seeds))}"
