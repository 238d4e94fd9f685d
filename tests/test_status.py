"""The state of the replication: README and home say what the rows give."""

from dataclasses import replace

from PIL import Image

from apg_repro.claims import overview, page, readme
from apg_repro.claims.status import of_models, status_table
from apg_repro.report.tables import NBSP, plain
from apg_repro.rows.store import Store
from tests.conftest import FULL, evidence_of, scores


def test_readme_and_home_say_what_the_committed_rows_give():
    found = page.committed(Store())
    table, gains = status_table(found), overview.gains_figure(of_models(found))
    text, parts = readme.README.read_text("utf-8"), readme.with_picture(found, gains)
    assert "- On MovieLens-1M, APG changes AUC by" in parts["advice"]
    assert readme.filled(text, parts) == text, "write README again: python -m apg_repro.claims.readme"
    with Image.open(readme.PICTURE) as picture:
        assert f"![{picture.text['Description']}]" in parts["picture"]
    assert table._repr_html_() in overview.home(Store())


def test_without_rows_everything_is_not_run(tmp_path):
    table = status_table(page.committed(Store(tmp_path)))
    assert set(table.data["Early stopping"]) == {"not run"}


def test_the_table_changes_with_the_rows(row):
    """Every model of Table 2 gains 0.4 points; then one of them loses as much."""

    def auc(config):
        return 0.79 + (0.004 if config.version == "v5" else 0)

    def cell(line, column="After one epoch"):
        return plain(status_table(found).data.set_index("Gain of AUC").loc[line, column]).replace(NBSP, " ")

    models, encodings = evidence_of("table2", row, auc), evidence_of("encodings", row, auc)
    found = {("table2", "movielens"): models, ("encodings", "movielens"): encodings}
    each, mean = "each of the 7 models, against base", "their average, against base"
    assert cell(each).startswith("✓ 7 reproduced")
    assert cell(mean).startswith("✓ reproduced +0.40")
    runs = {
        key: replace(run, scores=scores(0.786, 0.786))
        if (run.config.backbone, run.config.version) == ("DCN", "v5")
        else run
        for key, run in models.runs.items()
    }
    found["table2", "movielens"] = replace(models, runs=runs)
    assert cell(each).startswith("✓ 6 reproduced")
    assert "1 contradicted" in cell(each)


def test_the_average_of_the_models_has_a_line_on_each_further_data_set(row):
    def auc(config):
        return 0.79 - 0.003 * (config.version == "v5")

    found = {(suite, "movielens"): evidence_of(suite, row, auc) for suite in ("table2", "encodings")}
    assert not any("Rent" in line for line in status_table(found).data["Gain of AUC"])
    on = replace(FULL, dataset="renttherunway")
    elsewhere = evidence_of("table2", row, auc, plan=on)
    lines = status_table(found | {("table2", "renttherunway"): elsewhere}).data.set_index("Gain of AUC")
    mean = plain(lines.loc["average of the 7 models on Rent the Runway, against base", "After one epoch"])
    assert mean.replace(NBSP, " ").startswith("✗ contradicted −0.30")


def test_several_data_sets_have_a_line_each_and_one_together(row):
    def on(name, gain, seeds=FULL.seeds):
        def auc(config):
            is_apg = config.condition == "self" and config.version == "v5"
            return 0.79 + (gain + config.seed / 1_000_000 if is_apg else 0)

        return evidence_of("table8", row, auc, plan=replace(FULL, dataset=name, seeds=seeds))

    read = {("table2", "movielens"): evidence_of("table2", row, lambda config: None)}
    read["encodings", "movielens"] = evidence_of("encodings", row, lambda config: None)
    found = read | {("table8", "movielens"): on("movielens", 0.004)}
    last = status_table(found).data.iloc[-1]
    assert last["Gain of AUC"] == "WDL on MovieLens-1M, K = 8 and P = 128, against base"
    assert plain(last["Early stopping"]).replace(NBSP, " ").startswith("✓ reproduced +0.40")
    found = found | {("table8", "frappe"): on("frappe", -0.004)}
    lines = status_table(found).data.set_index("Gain of AUC")["Early stopping"]
    assert "contradicted" in plain(lines["WDL on Frappe, K = 8 and P = 128, against base"])
    assert lines.index[-2] == "the same, random-effects mean of 2 data sets"
    found = found | {("table8", "globo"): on("globo", 0.002, seeds=(1,))}
    of_three = status_table(found).data.set_index("Gain of AUC")["Early stopping"]
    assert "WDL on Globo.com, K = 8 and P = 128, against base" in of_three.index
    assert of_three.index[-2] == "the same, random-effects mean of 2 data sets with several seeds"
    assert list(of_three.iloc[-2:]) == list(lines.iloc[-2:])
    assert lines.index[-1] == "the same mean, against damped base"
    assert lines.iloc[-1] == lines.iloc[-2]  # damped base is no other here


def test_readme_is_written_and_refused_without_its_comments(tmp_path, capsys):
    path, picture, store = tmp_path / "README.md", tmp_path / "gains.png", Store(tmp_path)
    path.write_text("".join(f"<!-- {name} -->\nold\n<!-- end of {name} -->\n" for name in readme.parts(store)))
    assert readme.main(store=store, path=path, picture=picture) == 0
    text = path.read_text("utf-8")
    assert "old" not in text
    assert "| not run |" in text
    with Image.open(picture) as drawn:
        assert drawn.text["Description"] in text
    path.write_text("<!-- answer -->\nnothing else\n")
    assert readme.main(store=store, path=path, picture=picture) == 1
    assert "must have <!-- answer --> and <!-- end of answer --> once" in capsys.readouterr().err
    assert path.read_text() == "<!-- answer -->\nnothing else\n"


def test_advice_is_on_every_data_set_on_which_all_models_have_been_run(row):
    """On one data set APG gains under both protocols, on the other it loses."""

    def auc(gain):
        return lambda config: 0.79 + (gain if config.version == "v5" else 0)

    plans = {"movielens": FULL, "tmall": replace(FULL, dataset="tmall")}
    found = {
        ("table2", name): evidence_of("table2", row, auc(gain), plan=plans[name])
        for name, gain in (("movielens", 0.004), ("tmall", -0.004))
    }
    first, second = overview.advice(found)
    assert first.startswith("On MovieLens-1M")
    assert "It ends better there" in first
    assert second.startswith("On Tmall")
    assert "It ends worse" in second
    assert overview.advice({}) == []
    assert overview.advice_list({}).html == ""
