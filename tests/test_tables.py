"""Tables as pages show them."""

import json
import math
import re
from base64 import b64decode
from dataclasses import replace

import pandas as pd
import pytest

from apg_repro.experiments import get_suite
from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import (
    MISSING,
    TOTAL,
    Markup,
    Table,
    auc_table,
    badge,
    badge_over,
    badges,
    differences_table,
    format_difference,
    format_estimate,
    format_signed,
    marked,
    note_on_marks,
    printed_verdicts,
    without_empty_columns,
)
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of, scores


def rising(config):
    """Base has 0.79 and what the seed adds; v5 has 0.4 points more."""
    return 0.79 + config.seed / 1000 + (0.004 if config.version == "v5" else 0)


def test_a_table_escapes_text_and_keeps_what_is_html_already():
    table = Table(pd.DataFrame({"a<b": ["<script>", "&"], "c": [Markup("<i>1</i>"), "2"]}), "1 < 2")
    html = table._repr_html_()
    assert '<th scope="col">a&lt;b</th>' in html
    assert '<th scope="row">&lt;script&gt;</th>\n<td><i>1</i></td>' in html
    assert '<th scope="row">&amp;</th>' in html
    assert "<caption><span>1 &lt; 2</span></caption>" in html
    assert 'role="region" tabindex="0" aria-label="1 &lt; 2"' in html


def test_a_table_can_be_saved_as_it_is_shown_without_markup():
    table = Table(
        pd.DataFrame({"a": ["x, y", "<"], "Verdict": [badge_over("not run", "<b>&lt; 1</b>"), ""]}), "One, two"
    )
    assert table.csv() == 'a,Verdict\n"x, y",○\u00a0not run < 1\n<,\n'
    assert [json.loads(line) for line in table.json_lines().splitlines()] == [
        {"a": "x, y", "Verdict": "○\u00a0not run < 1"}, {"a": "<", "Verdict": ""},
    ]  # fmt: skip
    links = re.findall(r'download="(.*?)" .*?href="data:.*?;base64,(.*?)"', table._repr_html_())
    saved = {name: b64decode(data).decode() for name, data in links}
    assert saved == {"one-two.csv": table.csv(), "one-two.jsonl": table.json_lines()}


def test_columns_of_words_begin_at_the_left_and_numbers_end_at_the_right():
    table = Table(
        pd.DataFrame({"a": ["1"], "n": ["−0.1 ± 0.2"], "words": ["K 8"], "none": [MISSING], "b": [Markup("<b>1</b>")]})
    )
    html = table._repr_html_()
    assert '<th scope="col" class="apg-left">words</th>' in html
    assert '<td class="apg-left">K 8</td>' in html
    assert html.count("apg-left") == 2


def test_a_column_of_html_alone_survives_pandas():
    html = Table(
        pd.DataFrame([{"found": badge("reproduced")}, {"found": badge_over("not run", "<b>1</b>")}])
    )._repr_html_()
    assert '<th scope="row"><span class="apg-verdict apg-reproduced">✓\u00a0reproduced</span></th>' in html
    assert "not run</span><br><b>1</b></th>" in html


def test_verdicts_are_coloured_and_empty_ones_are_not():
    html = Table(pd.DataFrame({"Verdict": ["direction only", ""]}))._repr_html_()
    assert '<th scope="row"><span class="apg-verdict apg-direction-only">↗\u00a0direction only</span></th>' in html
    assert '<th scope="row"></th>' in html


def test_badges_count_verdicts_in_the_order_of_the_rule():
    found = badges(["not run", "", "reproduced", "not run"])
    assert str(found) == f"{badge('reproduced', 1)} {badge('not run', 2)}"
    assert not badges(["", ""])


@pytest.mark.parametrize(
    ("found", "text", "signed"),
    [
        (estimate([]), "–", "–"),
        (estimate([1.0, math.nan]), "diverged", "diverged"),
        (Estimate(mean=0.123, half=0.04, n=5), "0.12 ± 0.04", "+0.12 ± 0.04"),
        (Estimate(mean=-0.123, half=0.04, n=5), "-0.12 ± 0.04", "−0.12 ± 0.04"),
        (Estimate(mean=0.1, half=math.nan, n=1), "0.10", "+0.10"),
    ],
)
def test_estimates_as_text(found, text, signed):
    assert format_estimate(found) == text
    assert format_difference(found) == signed


def test_a_number_that_rounds_to_zero_is_positive():
    assert format_signed(-0.001) == "+0.00"
    assert format_signed(-1234.5, 1, " %") == "−1,234.5 %"


def test_what_was_added_is_marked_and_the_caption_says_when():
    assert marked("v5", "") == "v5"
    assert marked("v5", "late") == "v5\u00a0*"
    assert note_on_marks(["", "late", "late", "later"]) == " * Added late; later."
    assert note_on_marks(["", ""]) == ""


def test_a_difference_that_rounds_to_zero_is_not_negative():
    assert format_difference(Estimate(mean=-0.004, half=0.12, n=5)) == "+0.00 ± 0.12"
    assert format_difference(Estimate(mean=-0.006, half=0.12, n=5)) == "−0.01 ± 0.12"


def test_the_total_below_verdicts_is_no_verdict_and_sizes_of_layers_are_one_word():
    html = Table(pd.DataFrame({"Verdict": ["reproduced", TOTAL], "Layers": ["64-32-16", ""]}))._repr_html_()
    assert html.count("apg-verdict") == 1
    assert f'<th scope="row">{TOTAL}</th>' in html
    assert '<span class="apg-sizes">64-32-16</span>' in html


def test_columns_that_say_nothing_are_dropped():
    table = pd.DataFrame({"a": ["", ""], "b": ["", "1"], "c": [0, 0]})
    assert list(without_empty_columns(table)) == ["b", "c"]


def test_a_table_of_auc_names_data_set_protocol_and_reference(row):
    html = auc_table(evidence_of("table4", row, rising), "one_epoch")._repr_html_()
    assert (
        "MovieLens-1M, one epoch. Test AUC in percent, Δ against the better of base and damped base in points" in html
    )
    assert '<span class="apg-verdict apg-reproduced">✓\u00a0reproduced</span>' in html
    assert (
        "Δ against the better of its own base and damped base in"
        in auc_table(evidence_of("encodings", row, rising), "one_epoch").caption
    )


def test_a_table_says_where_both_protocols_test_the_same_weights(row):
    def first_in(*seeds):
        def extra(config):
            found = scores(0.8, 0.8)
            if config.seed in seeds:
                found["early_stopping"] = replace(found["early_stopping"], epoch=1)
            return {"scores": found}

        return evidence_of("table8", row, rising, extra)

    captions = [auc_table(first_in(*seeds), "early_stopping").caption for seeds in ((1, 2), (1,))]
    assert ["In 14 of 14 runs the first epoch is the best" in caption for caption in captions] == [True, False]
    assert "the first epoch" not in auc_table(first_in(1, 2), "one_epoch").caption


def test_a_table_of_some_cells_has_these_alone_in_their_order(row):
    table = auc_table(evidence_of("table4", row, rising), "one_epoch", ["v5", "base"]).data
    assert list(table["Version"]) == ["v5", "base"]


def test_a_cell_that_was_added_says_when(row):
    table = auc_table(evidence_of("encodings", row, rising), "one_epoch").data.set_index("Version")
    assert table.loc["base, six fields", "Added"] == "when base on the others was known"
    assert table.loc["base, default", "Added"] == ""
    table4 = auc_table(evidence_of("table4", row, rising), "one_epoch").data.set_index("Version")
    assert [name for name, reason in table4["Added"].items() if reason] == ["damped base", "v4, K = 2"]


def test_differences_between_two_cells_are_taken_seed_by_seed(row):
    table = differences_table(evidence_of("table4", row, rising), {"v5 less v4": ("v5", "v4")}).data
    assert list(table.loc[0]) == ["v5 less v4", *["+0.40 ± 0.00 (n\u00a0=\u00a02)"] * 2]


@pytest.mark.parametrize(
    ("name", "n"), [("table2", 7), ("table6", 6), ("table8", 4), ("table9", 6), ("figure7", 0), ("optimizers", 0)]
)
def test_only_differences_that_the_paper_prints_are_counted(name, n):
    """Tuned base (Table 2) and base by row (Table 6) are ours: they and what is taken from them count nothing."""
    found = printed_verdicts([Evidence(suite=get_suite(name), plan=FULL)], "one_epoch")
    assert found == (badge("not run", n) if n else Markup(""))


def test_a_table_is_also_plain_text(row):
    text = str(auc_table(evidence_of("table4", row, rising), "one_epoch"))
    assert text.startswith("MovieLens-1M, one epoch.")
    assert "+0.40 ± 0.00" in text
