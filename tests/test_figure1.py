"""Groups of users, their distributions, and models across groups: by hand, on planted rows, and on the page."""

import numpy as np
import pandas as pd
import pytest

from apg_repro.config import Measurement
from apg_repro.data.dataset import load
from apg_repro.data.prepare import write_dataset
from apg_repro.experiments.figure1 import measure as figure1
from apg_repro.experiments.figure1 import page
from apg_repro.experiments.figure1.plan import SHARES
from tests.measured import measured_evidence

ROWS = pd.DataFrame(
    {
        "user": [0, 0, 0, 0, 1, 1, 2, 2, 2, 3],
        "label": [1, 1, 0, 0, 1, 1, 0, 0, 1, 0],
        "age": [3, 3, 3, 3, 0, 0, 5, 5, 5, 1],
    }
)


@pytest.fixture
def random():
    return np.random.default_rng(1)


def planted(opposite: bool, n_users: int = 240, seed: int = 0) -> pd.DataFrame:
    """Cold users of 20 rows and active ones of 60; both like the same items, or active users what cold ones do not."""
    random = np.random.default_rng(seed)
    active = np.arange(n_users) % 2 == 1
    user = np.repeat(np.arange(n_users), np.where(active, 60, 20))
    item = random.integers(30, size=len(user))
    taste = random.normal(size=30)[item] * np.where(active[user] & opposite, -1, 1)
    label = random.random(len(user)) < 1 / (1 + np.exp(-2 * taste))
    group = user // 2 % 4
    return pd.DataFrame({"user": user, "item": item, "category": item % 5, "group": group, "label": label.astype(int)})


def test_there_is_one_line_per_user():
    users = figure1.per_user(ROWS, "age")
    assert users["rows"].tolist() == [4, 2, 3, 1]
    assert users["positives"].tolist() == [2, 2, 1, 0]
    assert users["trait"].tolist() == [3, 0, 5, 1]


def test_cold_users_have_the_fewest_rows_and_active_ones_the_most():
    groups = figure1.ends(figure1.per_user(ROWS, "age"), 0.25)
    assert groups["cold"].index.tolist() == [3]
    assert groups["active"].index.tolist() == [0]


def test_users_with_as_many_rows_belong_to_the_same_group():
    users = pd.DataFrame({"rows": [2, 2, 2, 5, 6, 7, 8, 9]})
    assert figure1.ends(users, 0.25)["cold"].index.tolist() == [0, 1, 2]


def test_a_rate_at_the_edge_of_two_bins_is_in_the_upper_one_and_1_in_the_last():
    counts = figure1.rate_histogram(np.array([0, 3, 6, 29, 10]), np.array([10, 10, 20, 100, 10]))
    assert counts.tolist() == [1, 0, 1, 2, 0, 0, 0, 0, 0, 1]


def test_total_variation_is_the_share_that_would_have_to_move():
    assert figure1.total_variation(np.array([10, 10]), np.array([4, 0])) == 0.5
    assert figure1.total_variation(np.array([3, 0]), np.array([0, 7])) == 1
    assert figure1.total_variation(np.array([3, 6]), np.array([1, 2])) == 0


def test_groups_that_are_alike_are_as_far_apart_as_chance_and_others_farther(random):
    shares = np.array([0.2, 0.3, 0.3, 0.2])
    alike = figure1.distance(random.multinomial(1000, shares), random.multinomial(1000, shares), 500, random)
    assert alike["distance"] < alike["chance"]
    assert alike["low"] < 0.02
    assert alike["high"] < 0.1
    other = figure1.distance(
        random.multinomial(1000, shares), random.multinomial(1000, shares[[0, 2, 3, 1]]), 500, random
    )
    assert other["low"] <= 0.1 <= other["high"]
    assert other["distance"] > other["chance"]


def test_thinning_removes_what_the_noise_of_few_rows_adds(random):
    """All users like the same; rates over 20 rows spread, over 500 they do not."""
    cold = pd.DataFrame({"rows": 20, "positives": random.binomial(20, 0.55, size=800)})
    active = pd.DataFrame({"rows": 500, "positives": random.binomial(500, 0.55, size=800)})
    rates = figure1.rate_histogram(cold["positives"], cold["rows"])
    raw = figure1.distance(rates, figure1.rate_histogram(active["positives"], active["rows"]), 200, random)
    positives, rows = figure1.thin(active, cold["rows"], random)
    thinned = figure1.distance(rates, figure1.rate_histogram(positives, rows), 200, random)
    assert set(rows) == {20}
    assert raw["low"] > 0.3
    assert thinned["distance"] < thinned["chance"]


def test_halves_have_no_user_in_common(random):
    user = np.repeat(np.arange(10), 3)
    one, other = figure1.draw_halves(user, np.arange(2, 10), random)
    assert not set(user[one]) & set(user[other])
    assert {*user[one], *user[other]} <= set(range(2, 10))
    assert len(one) == len(other) == 4 * 3


def test_matched_rows_have_as_many_of_every_item(random):
    items = random.integers(6, size=500)
    cold, active = figure1.matched(np.arange(60), np.arange(60, 500), items, random)
    assert np.bincount(items[cold], minlength=6).tolist() == np.bincount(items[active], minlength=6).tolist()
    assert len(set(cold)) == len(cold) > 40
    assert cold.max() < 60 <= active.min()


@pytest.mark.parametrize("opposite", [False, True])
def test_a_model_of_their_own_serves_groups_that_like_opposite_things_and_no_others(opposite, random):
    table = planted(opposite)
    groups = figure1.ends(figure1.per_user(table, "group"), 0.25)
    for pairs in figure1.transfer(table, groups, ("item",), "item", 20, random).values():
        if opposite:
            assert all(pairs[name]["low"] > 0.3 for name in ("cold", "active", "both"))
        else:
            assert pairs["both"]["low"] < 0 < pairs["both"]["high"]


def test_a_row_holds_counts_of_users_and_no_user(tmp_path, monkeypatch):
    write_dataset(
        "synthetic", planted(False).astype("int32").astype({"label": "int8"}),
        fields=["user", "item", "category", "group"],
        features={"default": {"inputs": ["user", "item", "category", "group"], "numbers": [], "bags": {}}},
        source={"file": "none", "sha256": "1" * 64, "official": True}, counts={"users": 240, "items": 30},
        root=tmp_path,
    )  # fmt: skip
    monkeypatch.setattr(figure1, "load", lambda name: load(name, root=tmp_path))
    row = figure1.measure(Measurement(name="figure1", dataset="synthetic", profile="quick"))

    def lists(value):
        if isinstance(value, dict):
            return [found for inner in value.values() for found in lists(inner)]
        return [value] if isinstance(value, list) else []

    assert len(row["contrasts"]) == len(SHARES)
    for contrast in row["contrasts"]:
        assert all(len(found) in (figure1.BINS, 4) for found in lists(contrast))
        for pair in contrast["histograms"].values():
            assert {name: sum(counts) for name, counts in pair.items()} == {"cold": 120, "active": 120}
    assert all(len(found) == 2 for found in lists(row["transfer"]))


@pytest.mark.parametrize(
    ("claim", "distance", "low", "high", "answer"),
    [
        ("differ", 0.2, 0.1, 0.3, "reproduced"),
        ("differ", 0.2, 0.09, 0.3, "direction only"),
        ("differ", 0.05, 0.2, 0.3, "undecided"),
        ("alike", 0.08, 0.05, 0.09, "reproduced"),
        ("alike", 0.08, 0.05, 0.1, "undecided"),
        ("alike", 0.12, 0.1, 0.15, "contradicted"),
        ("differ", 0.05, 0.02, 0.09, "no difference"),
    ],
)
def test_the_verdict_on_a_distance_of_distributions(claim, distance, low, high, answer):
    assert page.difference_verdict(claim, distance, low, high, chance=0.06) == answer


def contrast(share):
    distance = {"distance": 0.2, "low": 0.15, "high": 0.25, "chance": 0.05}
    group = {"users": 1500, "rows": 3000, "fewest": 2, "most": 3, "mean_rate": 0.5}
    pair = {"cold": [1, 2, 3, 4, 5, 6, 7], "active": [7, 6, 5, 4, 3, 2, 1]}
    names = ("rate", "thinned_rate", "trait")
    return {
        "share": share, "groups": {"cold": group, "active": group},
        "histograms": dict.fromkeys(names, pair), "distances": dict.fromkeys(names, distance),
    }  # fmt: skip


def evidence_of(low=0.002, **plan):
    pair = {"values": [0.7, 0.69], "difference": 0.01, "low": low, "high": 0.02}
    pairs = dict.fromkeys(("cold", "active", "both", "rate"), pair)
    values = {"contrasts": [contrast(0.25), contrast(0.1)], "transfer": {"same_size": pairs, "same_items": pairs}}
    return measured_evidence("figure1", {"": values}, **plan)


def test_the_claims_are_judged_on_the_first_groups_with_rows_thinned():
    table = page.distances_table(evidence_of()).data
    assert table["Verdict"].tolist() == ["", "reproduced", "contradicted", "", "", ""]
    assert table["Of"].tolist() == ["CTR", "CTR, rows thinned", "age"] * 2
    assert table["Groups"].tolist() == ["quarters"] * 3 + ["tenths"] * 3


@pytest.mark.parametrize(("low", "answer"), [(0.002, "reproduced"), (0.0, "undecided"), (-0.01, "undecided")])
def test_what_predicts_the_label_is_judged_on_the_mean_of_both_groups_with_equal_items(low, answer):
    table = page.transfer_table(evidence_of(low)).data
    assert table["Verdict"].tolist() == ["", "", "", "", "", answer]
    assert table["Own − other"].iloc[0] == "+1.00"


@pytest.mark.parametrize("plan", [{"profile": "quick"}, {"dataset": "synthetic"}])
def test_a_quick_number_and_made_up_users_get_no_verdict(plan):
    evidence = evidence_of(**plan)
    for table in (page.distances_table(evidence), page.transfer_table(evidence)):
        assert set(table.data["Verdict"]) == {""}


def test_ages_have_names_and_groups_of_made_up_users_numbers():
    for dataset, first in (("movielens", "under 18"), ("synthetic", "0")):
        axis = page.distributions_figure(evidence_of(dataset=dataset)).axes[2]
        assert axis.get_xticklabels()[0].get_text() == first
