"""How MovieLens' columns become inputs, which the paper does not say."""

from dataclasses import replace

from apg_repro.experiments.grids import APG, DAMPED_BASE
from apg_repro.suite import Cell, Plan, Suite

ENCODINGS = ("default", "six_fields", "genre_string", "genre_bag")


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base plain and damped, and APG, on every feature set of MovieLens."""
    return tuple(
        cell
        for features in ENCODINGS
        for cell in (
            Cell(
                name=f"base, {features}", paper_row="base", options={"features": features}, against=None,
                registered="when base on the others was known" if features == "six_fields" else "",
            ),
            replace(
                DAMPED_BASE, name=f"damped base, {features}", rival_of=f"base, {features}",
                options={**DAMPED_BASE.options, "features": features},
            ),
            Cell(
                name=f"apg, {features}", paper_row="apg", options={**APG[plan.profile], "features": features},
                against=f"base, {features}", registered="when base was known",
            ),
        )
    )  # fmt: skip


SUITE = Suite(name="encodings", title="Encodings of MovieLens", table="table2", datasets=("movielens",), cells=cells)
