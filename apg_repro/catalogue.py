"""Every data set in one table. Imports no torch.

Adding a data set: its script in ``data_scripts/``, its entry here, and a test of odd rows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apg_repro.errors import UserError
from apg_repro.paths import DATA

Kind = Literal["real", "made", "twin", "private"]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What is known of a data set before its files are read.

    Attributes:
        title: what pages call it.
        kind: "real"; "made", from a generator; "twin", the shape of another one with random values, for costs alone;
            "private", the authors' own.
        script: what prepares it, in ``data_scripts/``; "" for none.
        variant: of what that script prepares; "" for the script's own choice.
        user, item, context: the fields that Tables 8 and 9 mix, and Table 6 takes as domains (item: fine, context:
            coarse). "" where there is none.
        item_kind: what Figure 6 colours items by: a field, or the prefix of indicator columns.
        trait: what Figure 1 takes for a trait of a user.
        about: fields that a model of the label may see without knowing the user (Figure 1).
        paper: what ``paper/numbers.csv`` calls it; "" where the paper does not have it.
        source: the official address, or the file to fetch there.
        terms: what its licence or its makers allow.
    """

    title: str
    kind: Kind
    script: str = ""
    variant: str = ""
    user: str = "user"
    item: str = "item"
    context: str = "category"
    item_kind: str = "category"
    trait: str = ""
    about: tuple[str, ...] = ()
    paper: str = ""
    source: str = ""
    terms: str = ""

    @property
    def absent(self) -> str:
        """What pages say where nothing could be run on it."""
        return "needs the authors' data or traffic" if self.kind == "private" else "not run: file not at hand"


CATALOGUE = {
    "movielens": DataSet(
        title="MovieLens-1M", kind="real", script="movielens", paper="movielens",
        # MovieLens has no context of its own: book/deviations.md says why it is the genres.
        item="movie", context="genres", item_kind="genre_", trait="age",
        about=("movie", "genres", "gender", "age", "occupation"),
        source="https://grouplens.org/datasets/movielens/1m/",
        terms="research, no redistribution, no commercial use",
    ),
    "amazon": DataSet(
        title="Amazon", kind="real", script="amazon", paper="amazon",
        source="https://github.com/MengtingWan/marketBias", terms="open to all, no licence is stated",
    ),
    "iaac": DataSet(
        title="IAAC", kind="real", script="iaac", paper="iaac", context="brand",
        source="https://tianchi.aliyun.com/competition/entrance/231647", terms="Tianchi's, behind a login",
    ),
    # Not in the paper, for what it says of CTR models in general.
    "renttherunway": DataSet(
        title="Rent the Runway", kind="real", script="renttherunway", context="rented_for",
        source="https://cseweb.ucsd.edu/~jmcauley/datasets.html#clothing_fit",
        terms="research, no licence is stated",
    ),
    "frappe": DataSet(
        title="Frappe", kind="real", script="frappe", context="daytime",
        source="https://www.baltrunas.info/context-aware", terms="research, no redistribution",
    ),
    "frappe_bench": DataSet(
        title="Frappe (published parts)", kind="real", script="frappe", variant="bench", context="daytime",
        source="https://github.com/hexiangnan/neural_factorization_machine", terms="research, no redistribution",
    ),
    "tmall": DataSet(
        title="Tmall", kind="real", script="tmall", item="merchant", context="reach", item_kind="reach",
        source="https://tianchi.aliyun.com/dataset/42", terms="Tianchi's, behind a login",
    ),
    "iaac_sample": DataSet(
        title="11 % of IAAC", kind="real", script="iaac_sample", context="brand",
        source="https://tianchi.aliyun.com/competition/entrance/231647", terms="Tianchi's, behind a login",
    ),
    "globo": DataSet(
        title="Globo.com", kind="real", script="globo", context="hour", item_kind="hour",
        source="https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom",
        terms="academic use, no redistribution",
    ),
    "globo_time": DataSet(
        title="Globo.com split in time", kind="real", script="globo", variant="time", context="hour",
        item_kind="hour", source="https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom",
        terms="academic use, no redistribution",
    ),
    # No feature set of MovieLens: it has fewer rows.
    "movielens_no3": DataSet(
        title="MovieLens-1M without 3 stars", kind="real", script="movielens", variant="no3",
        item="movie", context="genres", item_kind="genre_",
        source="https://grouplens.org/datasets/movielens/1m/",
        terms="research, no redistribution, no commercial use",
    ),
    "indusdata": DataSet(title="IndusData", kind="private", paper="indusdata"),
    "synthetic": DataSet(
        title="synthetic", kind="made", script="synthetic", trait="group", about=("item", "category", "group"),
    ),
    # One entry for all settings: "planted-h50-g100-n0" and so on, see ``experiments/planted``.
    "planted": DataSet(title="planted", kind="made", script="planted"),
    "amazon_twin": DataSet(title="Amazon (shape twin)", kind="twin", script="amazon_twin", paper="amazon"),
    "iaac_twin": DataSet(title="IAAC (shape twin)", kind="twin", script="iaac_twin", paper="iaac", context="brand"),
}  # fmt: skip

YOURS = "yours"  # what `apg try` prepares, of a user's own rows, in a folder of its own (``yours/``)

# What every table of AUC is made for: the real ones, and the synthetic one where no real one is at hand.
REAL_OR_SYNTHETIC = (*(name for name, entry in CATALOGUE.items() if entry.kind == "real"), "synthetic")


def data_set(name: str) -> DataSet:
    """The entry of a data set; a family such as "planted-…" has one for all its members.

    Raises:
        UserError: there is no such data set.
    """
    found = CATALOGUE.get(family(name))
    if found is None:
        raise UserError(f"data set {name!r} is unknown; choose one of {', '.join(CATALOGUE)}")
    return found


def family(name: str) -> str:
    """The name of a data set's entry in the catalogue."""
    return "planted" if name.startswith("planted-") else name


def is_prepared(name: str, root: Path | None = None) -> bool:
    """Whether the files of a data set are there, in ``root`` or else in ``data/``."""
    return ((root or DATA) / name / "manifest.json").exists()


def check_prepared(name: str, root: Path | None = None) -> None:
    """Raises a UserError that says what to run if a data set is not prepared, or that there is none of that name."""
    if is_prepared(name, root):
        return
    if name != YOURS and data_set(name).kind == "private":
        raise UserError(f"data set {name!r} is the authors' own and cannot be prepared elsewhere")
    raise UserError(f"data set {name!r} is not prepared: run `{how_to_prepare(name)}` (see --help)")


def how_to_prepare(name: str) -> str:
    """The command that prepares a data set."""
    if name == YOURS:
        return "apg try FILE --label COLUMN"
    entry = CATALOGUE.get(family(name))
    variant = f" --variant {entry.variant}" if entry and entry.variant else ""
    return f"python data_scripts/{entry.script if entry else name}.py{variant}"
