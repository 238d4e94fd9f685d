"""What readers see instead of names in the code. Imports nothing.

Names of cells, conditions, starts and encodings are keys: of the paper's numbers, of the columns of prepared files, of
options in rows. Pages show the words below.
"""

from typing import Final

WORDS: Final = {
    # conditions, and how several are joined
    "self": "self-wise",
    "group_user": "user",
    "group_item": "item",
    "mix_user_item_context": "user, item and context",
    "input_mean": "input, mean",
    "input_concat": "input, concatenation",
    "input_attention": "input, attention",
    "output_mean": "output, mean",
    "output_concat": "output, concatenation",
    "output_attention": "output, attention",
    # weights per domain
    "mmoe_cg": "MMoE, coarse domains",
    "mmoe_fg": "MMoE, fine domains",
    "star_cg": "Star, coarse domains",
    "star_fg": "Star, fine domains",
    "apg_cg": "APG, coarse domains",
    "apg_fg": "APG, fine domains",
    "apg_cg by row": "APG, coarse domains, by row",
    "apg_fg by row": "APG, fine domains, by row",
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
