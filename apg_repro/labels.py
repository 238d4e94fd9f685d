"""What readers see instead of names in the code. Imports nothing.

Names of cells, conditions, starts and encodings are keys: of the paper's numbers, of the columns of prepared files, of
options in rows. Pages show the words below.
"""

from typing import Final

AGGREGATIONS: Final = {"mean": "mean", "concat": "concatenation", "attention": "attention"}  # of a mix's conditions
MODELS: Final = {"mmoe": "MMoE", "star": "Star", "apg": "APG"}  # with weights per domain
GRAINS: Final = {"fg": "fine", "cg": "coarse"}  # of domains

WORDS: Final = {
    # conditions, and how several are joined
    "self": "self-wise",
    "group_user": "user",
    "group_item": "item",
    "mix_user_item_context": "user, item and context",
    **{f"{where}_{how}": f"{where}, {words}" for where in ("input", "output") for how, words in AGGREGATIONS.items()},
    # weights per domain
    **{
        f"{model}_{grain}": f"{title}, {words} domains"
        for model, title in MODELS.items()
        for grain, words in GRAINS.items()
    },
    **{f"apg_{grain} by row": f"APG, {words} domains, by row" for grain, words in GRAINS.items()},
    # APG where a table has one version of it
    "apg": "APG",
    "apg by row": "APG by row",
    "apg over tuned base": "APG over tuned base",
    "tuned apg": "tuned APG",
    # starts of G
    "static_bias": "static bias",
    "static_start": "static start",
    "glorot": "Glorot",
    # encodings of MovieLens' columns
    "six_fields": "six fields",
    "genre_string": "genre string",
    "genre_bag": "bag of genres",
}


def words_for(name: str) -> str:
    """A name in words: of one such as "v5, static_bias" each part that has some."""
    return ", ".join(WORDS.get(part, part) for part in name.split(", "))
