"""Groups of users, their distributions, and models across groups: by hand on few rows, and on planted ones."""

import numpy as np
import pandas as pd
import pytest

from apg_repro.config import Measurement
from apg_repro.measure import figure1
from apg_repro.prepare import write_dataset

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


def test_a_line_a_user():
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
    alike = figure1.compare(random.multinomial(1000, shares), random.multinomial(1000, shares), 500, random)
    assert alike["distance"] < alike["chance"]
    assert alike["low"] < 0.02
    assert alike["high"] < 0.1
    other = figure1.compare(
        random.multinomial(1000, shares), random.multinomial(1000, shares[[0, 2, 3, 1]]), 500, random
    )
    assert other["low"] <= 0.1 <= other["high"]
    assert other["distance"] > other["chance"]


def test_thinning_takes_off_what_the_noise_of_few_rows_adds(random):
    """All users like the same; rates over 20 rows spread, over 500 they do not."""
    cold = pd.DataFrame({"rows": 20, "positives": random.binomial(20, 0.55, size=800)})
    active = pd.DataFrame({"rows": 500, "positives": random.binomial(500, 0.55, size=800)})
    rates = figure1.rate_histogram(cold["positives"], cold["rows"])
    raw = figure1.compare(rates, figure1.rate_histogram(active["positives"], active["rows"]), 200, random)
    positives, rows = figure1.thin(active, cold["rows"], random)
    thinned = figure1.compare(rates, figure1.rate_histogram(positives, rows), 200, random)
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
    load = figure1.load_manifest
    monkeypatch.setattr(figure1, "DATA", tmp_path)
    monkeypatch.setattr(figure1, "load_manifest", lambda name: load(name, tmp_path))
    row = figure1.measure(Measurement(suite="figure1", dataset="synthetic", profile="quick"))

    def lists(value):
        if isinstance(value, dict):
            return [found for inner in value.values() for found in lists(inner)]
        return [value] if isinstance(value, list) else []

    assert len(row["contrasts"]) == len(figure1.SHARES)
    for contrast in row["contrasts"]:
        assert all(len(found) in (figure1.BINS, 4) for found in lists(contrast))
        for pair in contrast["histograms"].values():
            assert {name: sum(counts) for name, counts in pair.items()} == {"cold": 120, "active": 120}
    assert all(len(found) == 2 for found in lists(row["transfer"]))
