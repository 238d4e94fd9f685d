"""What README says of results, computed from the committed rows, and its picture. Imports no torch.

    python -m apg_repro.claims.readme   writes them

Each part stands between two comments, ``<!-- NAME -->`` and ``<!-- end of NAME -->``.
"""

import re
import sys
from pathlib import Path

from apg_repro.claims.headline import promises
from apg_repro.claims.overview import advice, gains_figure, scope
from apg_repro.claims.page import Committed, committed
from apg_repro.claims.status import of_models, status_table
from apg_repro.errors import UserError
from apg_repro.paths import ROOT, write_record
from apg_repro.report.figures import Picture
from apg_repro.report.tables import NBSP, Markup, Table, plain
from apg_repro.rows.store import Store

README, PICTURE = ROOT / "README.md", ROOT / "book" / "_static" / "gains.png"


def parts(store: Store) -> dict[str, str]:
    """The text of every part, by name, as Markdown."""
    found = committed(store)
    return with_picture(found, gains_figure(of_models(found)))


def with_picture(found: Committed, gains: Picture) -> dict[str, str]:
    """``parts`` of rows that have been read and a picture that has been drawn."""
    return {
        "answer": "\n\n".join([*promises(found), plain(scope(found)).replace("Scope.", "**Scope.**", 1)]),
        "picture": f"![{gains.alt}]({PICTURE.relative_to(ROOT).as_posix()})\n\n*{gains.caption}*",
        "advice": "\n".join(f"- {sentence}" for sentence in advice(found)),
        "state": in_markdown(status_table(found)),
    }


def in_markdown(table: Table) -> str:
    """A table, a cell's lines below each other."""
    rows = [list(table.data), ["---"] * len(table.data.columns), *map(list, table.data.itertuples(index=False))]
    return "\n".join(f"| {' | '.join(map(in_lines, row))} |" for row in rows)


def in_lines(cell: Markup | str) -> str:
    """What a cell says."""
    lines = cell.html.split("<br>") if isinstance(cell, Markup) else [cell]
    return "<br>".join(plain(Markup(line)).replace(NBSP, " ") for line in lines)


def filled(text: str, named: dict[str, str]) -> str:
    """The text of README with these parts.

    Raises:
        UserError: it lacks the two comments of a part.
    """
    for name, part in named.items():
        head, foot = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        text, n = re.subn(f"{head}.*?{foot}", lambda _, inner=head + part + foot: inner, text, flags=re.DOTALL)
        if n != 1:
            raise UserError(f"{README} must have {head.strip()} and {foot.strip()} once, on lines of their own")
    return text


def main(*, store: Store | None = None, path: Path = README, picture: Path = PICTURE) -> int:
    """The command line: writes README's parts and its picture."""
    try:
        found = committed(store or Store())
        gains = gains_figure(of_models(found))
        write_record(path, filled(path.read_text("utf-8"), with_picture(found, gains)))
        gains.figure.savefig(picture, facecolor="white", dpi=150, metadata={"Description": gains.alt})
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
