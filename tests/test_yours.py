"""``apg try``: a fair search that can be resumed, a verdict by the rule, a report, and a model that is served."""

import dataclasses
import gzip
import json
import math
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from apg_repro.__main__ import main  # noqa: E402
from apg_repro.catalogue import YOURS  # noqa: E402
from apg_repro.config import RunConfig  # noqa: E402
from apg_repro.errors import UserError  # noqa: E402
from apg_repro.paths import ROOT  # noqa: E402
from apg_repro.report.statistics import quantile  # noqa: E402
from apg_repro.rows.store import Store  # noqa: E402
from apg_repro.training.timing import Effort  # noqa: E402
from apg_repro.yours import costs, export, page, report, search, seeds, trying, verdict  # noqa: E402
from apg_repro.yours.columns import Columns  # noqa: E402
from apg_repro.yours.export import served, trained  # noqa: E402
from apg_repro.yours.prepare import MISSING, RARE, datasets, encode, load, prepare, standardised  # noqa: E402
from apg_repro.yours.read import read  # noqa: E402
from apg_repro.yours.trying import Request, begin, columns_of, origin_of, try_apg  # noqa: E402
from tests.conftest import trained_row  # noqa: E402

N = 1200
CPU = torch.device("cpu")


def clicks(n=N, seed=0):
    """Rows whose clicks depend on the user and on a price, and on no pair of both."""
    random = np.random.default_rng(seed)
    user, price = random.integers(30, size=n), random.normal(size=n)
    logit = 2 * np.sin(user) + price
    rows = pd.DataFrame(
        {
            "click": (random.random(n) < 1 / (1 + np.exp(-logit))).astype(int), "user_id": [f"u{u:02d}" for u in user],
            "item_id": random.integers(200, size=n), "price": (10 + 3 * price).round(2),
            "age": random.integers(18, 70, size=n),
        }
    )  # fmt: skip
    rows.loc[random.random(n) < 0.1, "price"] = np.nan
    rows.loc[random.random(n) < 0.05, "user_id"] = None
    return rows


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Times are taken less often than users have them taken: no test is of a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "EFFORT", Effort(rounds=3, at_least=1, seconds=0.1, warmup=0))
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The request for a small trial of everything, and its answer."""
    folder = tmp_path_factory.mktemp("yours")
    clicks().to_csv(folder / "clicks.csv", index=False)
    request = Request(file=folder / "clicks.csv", label="click", trials=3, seeds=2, out=folder / "clicks_apg")
    return request, try_apg(request, ["apg", "try", "clicks.csv", "--label", "click"])


def forbid_training(monkeypatch):
    def trained_again(*args, **options):
        raise AssertionError("a run was trained again")

    for module in (search, seeds):
        monkeypatch.setattr(module, "train_on", trained_again)


# The search and the seeds.


def test_base_and_apg_have_as_many_trials_and_begin_with_the_same_steps(done):
    _, answer = done
    trials = {side: answer["search"][side]["trials"] for side in search.SIDES}
    assert [len(found) for found in trials.values()] == [3, 3]
    for name in ("learning_rate", "weight_decay"):
        assert [t[name] for t in trials["base"][:2]] == [t[name] for t in trials["apg"][:2]]
        assert all(name in t for found in trials.values() for t in found)
    assert all(1 > t["valid_auc"] > 0.5 for t in trials["base"])


def test_the_best_trial_is_what_the_seeds_train(done):
    request, answer = done
    for side in search.SIDES:
        best = max(answer["search"][side]["trials"], key=lambda trial: trial["valid_auc"])
        assert answer["search"][side]["options"].items() <= best.items()
        assert [run["seed"] for run in answer["runs"][side]] == [1, 2]
    rows = [json.loads(line) for line in (request.folder / "full/runs/yours.jsonl").read_text().splitlines()]
    assert {row["learning_rate"] for row in rows if row["version"] == "base"} == {
        answer["search"]["base"]["options"]["learning_rate"]
    }


def test_the_search_sees_no_test_row(done, monkeypatch, tmp_path):
    """Labels of test rows can be anything: no trial changes."""
    request, answer = done
    prepared = load(Columns.load(request.folder / "schema.json"), request.folder)
    _, _, (train, valid, test) = datasets(prepared, 0, N, CPU)
    turned = dataclasses.replace(test, labels=1 - test.labels)
    again = search.Search(tmp_path, prepared, search.Budget(**answer["plan"]))
    again.run((train, valid, turned))
    assert again.trials("base") == answer["search"]["base"]["trials"]


def test_what_is_done_is_not_done_again(done, monkeypatch):
    request, answer = done
    forbid_training(monkeypatch)
    again = try_apg(request)
    assert again is not None
    assert again["runs"] == answer["runs"]
    assert again["search"] == answer["search"]
    assert again["baselines"] == answer["baselines"]


def test_an_interrupted_trial_or_seed_costs_itself_only(done, monkeypatch, tmp_path):
    """Stopped in its second trial, then in its first seed, then let go: the same answer as without a stop."""
    request, answer = done
    request = dataclasses.replace(request, out=tmp_path / "out")
    for module, stop_at in ((search, 2), (seeds, 1)):
        count, real = [0], module.train_on

        def stops(*args, count=count, real=real, stop_at=stop_at, **options):
            count[0] += 1
            if count[0] == stop_at:
                raise KeyboardInterrupt
            return real(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(module, "train_on", stops)
            with pytest.raises(KeyboardInterrupt):
                try_apg(request)
    found = try_apg(request)
    assert found is not None
    assert found["search"] == answer["search"]
    scores = [[(run["auc"], run["logloss"]) for run in one["runs"]["apg"]] for one in (found, answer)]
    assert scores[0] == scores[1]


def test_more_seeds_are_added_to_those_that_are_there(done, monkeypatch, tmp_path):
    request, answer = done
    trained_seeds = []
    real = seeds.train_on
    monkeypatch.setattr(
        seeds, "train_on", lambda config, *rest: trained_seeds.append(config.seed) or real(config, *rest)
    )
    found = try_apg(dataclasses.replace(request, seeds=3))
    assert found is not None
    assert trained_seeds == [3, 3]
    assert found["runs"]["base"][:2] == answer["runs"]["base"]
    assert found["seeds"] == [1, 2, 3]


def test_a_folder_with_other_work_is_left_alone(done, tmp_path):
    request, _ = done
    rows = clicks(seed=1)
    rows.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(UserError, match="holds the work on another file, other columns, another backbone or"):
        try_apg(dataclasses.replace(request, file=tmp_path / "other.csv"))
    with pytest.raises(UserError, match="holds the work on 1,200 rows"):
        try_apg(dataclasses.replace(request, rows=500))


def test_seeds_of_a_cpu_and_of_a_gpu_are_not_mixed(done):
    request, _ = done
    source = read(request.file)
    columns = columns_of(source, request)[1]
    assert begin(request.folder, source, columns, request)
    with pytest.raises(UserError, match="or another kind of device: give another folder, --out"):
        begin(request.folder, source, columns, dataclasses.replace(request, device="cuda"))


def test_an_answer_says_when_its_last_run_was_done_and_on_which_machines(done):
    request, answer = done
    stored = Store(request.folder).runs("full", YOURS).values()
    rows = [row for row in stored if row.config.seed in answer["seeds"]]
    assert answer["origin"]["finished"] == max(row.origin.finished for row in rows)
    elsewhere = dataclasses.replace(rows[0].origin, device="Another CPU", finished="2000-01-01T00:00:00")
    found = origin_of([*rows[1:], dataclasses.replace(rows[0], origin=elsewhere)])
    assert found == answer["origin"] | {"device": " and ".join(sorted([answer["origin"]["device"], "Another CPU"]))}


@pytest.mark.parametrize("name", ["plan.json", "baselines.json", "latency.json"])
@pytest.mark.fault("a file of `apg try` is torn, or holds something else", "one sentence that names it")
def test_a_damaged_folder_says_which_file(name, done, tmp_path):
    request, _ = done
    shutil.copytree(request.folder, tmp_path / "copy")
    whole = (tmp_path / "copy" / name).read_text()
    others = {"baselines.json": ['{"x": [1]}'], "plan.json": [json.dumps(json.loads(whole) | {"threads": 0})]}
    empty = [] if name == "baselines.json" else ["{}", '{"seeds": "five"}']
    for text in ("{", "", "[]", "[" * 100_000, *empty, *others.get(name, [])):
        (tmp_path / "copy" / name).write_text(text)
        with pytest.raises(UserError, match=f"{name} is damaged .*: delete it"):
            try_apg(dataclasses.replace(request, out=tmp_path / "copy"))


@pytest.mark.fault("an answer of `apg try` holds something else", "one sentence that says what writes one")
def test_an_answer_without_runs_of_both_sides_is_refused(tmp_path):
    path = tmp_path / "answer.json"
    for text in ("{", "{}", '{"runs": []}', '{"runs": {"base": []}}'):
        path.write_text(text)
        with pytest.raises(UserError, match=r"cannot be read .*`apg try` writes one"):
            verdict.load(path)


@pytest.mark.parametrize(
    ("word", "base", "apg", "side"),
    [
        ("better", True, True, "apg"), ("undecided", True, True, "base"), ("better", True, False, "base"),
        ("undecided", False, True, "apg"), ("undecided", False, False, "base"),
    ],
)  # fmt: skip
def test_the_model_to_take_has_finite_weights_if_one_of_both_has(word, base, apg, side):
    """A run whose weights are not finite after its first epoch ends without a score of early stopping."""

    def row(has_score):
        found = trained_row(RunConfig(dataset=YOURS, seed=1))
        kept = {name: score for name, score in found.scores.items() if has_score or name != "early_stopping"}
        return dataclasses.replace(found, scores=kept)

    assert trying.to_take(word, {"base": row(base), "apg": row(apg)}) == side


@pytest.mark.fault("rows that `apg try` has prepared are damaged or gone", "they are prepared again from the same file")
def test_damaged_prepared_rows_are_prepared_again(done, tmp_path):
    request, answer = done
    shutil.copytree(request.folder, tmp_path / "copy")
    for name in ("values.json", "rows.parquet", "manifest.json"):
        whole = (tmp_path / "copy" / "yours" / name).read_bytes()
        (tmp_path / "copy" / "yours" / name).write_bytes(whole[:50])
        found = try_apg(dataclasses.replace(request, out=tmp_path / "copy"))
        assert found is not None
        assert found["runs"] == answer["runs"]
        assert (tmp_path / "copy" / "yours" / name).read_bytes() == whole


@pytest.mark.fault("the memory is too small for `apg try`", "one sentence with the remedy")
def test_too_little_memory_is_one_sentence(done, tmp_path, monkeypatch):
    request, _ = done
    monkeypatch.setattr(search, "speed", lambda *args: torch.empty(2**60))
    with pytest.raises(UserError, match="too little memory for these rows: take fewer, --rows"):
        try_apg(dataclasses.replace(request, out=tmp_path / "new"))


def test_seeds_that_time_cut_short_are_not_added_to_by_the_same_command(done, tmp_path, monkeypatch):
    request, _ = done
    many = search.Budget(threads=1, backbone="WDL", trials=1, search_rows=N, seeds=100, rows=N, total=N)
    monkeypatch.setattr(search, "budget", lambda *args: many)
    short = dataclasses.replace(request, out=tmp_path / "short", minutes=0.1, trials=None, seeds=None, rows=None)
    first, again = try_apg(short), try_apg(dataclasses.replace(short, minutes=5.0))
    assert first is not None
    assert again is not None
    assert 3 <= len(first["seeds"]) < 100
    assert again["runs"] == first["runs"]


@pytest.mark.fault("the work folder of `apg try` holds files of the user's own", "it refuses, and leaves them alone")
def test_a_folder_with_files_of_the_users_own_is_refused(done, tmp_path):
    request, _ = done
    (tmp_path / "schema.json").write_text("mine")
    with pytest.raises(UserError, match=r"holds other files, such as schema\.json: give a new folder, --out"):
        try_apg(dataclasses.replace(request, out=tmp_path))
    assert (tmp_path / "schema.json").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.fault("a file name that is not valid UTF-8", "the report shows a placeholder for its bytes")
def test_a_file_whose_name_is_no_text_gets_its_answer(done, tmp_path):
    request, answer = done
    name = os.fsdecode(b"kl\xfccks.csv")
    shutil.copy(request.file, tmp_path / name)
    shutil.copytree(request.folder, tmp_path / "copy")
    command = ["apg", "try", name, "--label", "click"]
    found = try_apg(dataclasses.replace(request, file=tmp_path / name, out=tmp_path / "copy"), command)
    assert found is not None
    assert found["source"]["file"] == "kl?cks.csv"
    assert found["runs"] == answer["runs"]
    assert "kl?cks.csv" in (tmp_path / "copy" / "report.html").read_text("utf-8")


def test_a_search_without_an_end_has_as_many_trials_as_there_may_be():
    plan = search.budget(1_000, 1e-5, float("inf"), "WDL", 1)
    assert (plan.trials, plan.seeds) == (search.MOST_TRIALS, search.MOST_SEEDS)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are Unix's")
@pytest.mark.parametrize("lacking", ["models", "model"])
@pytest.mark.fault(
    "the disk is full while `apg try` writes weights or the exported model",
    "one sentence; the same command then goes on from there",
)
def test_a_full_disk_below_a_model_is_one_sentence_and_costs_that_model_only(lacking, done, tmp_path):
    """A limit on the size of files is met where a full disk is. torch's own writer would end the process."""
    import resource

    request, answer = done
    request = dataclasses.replace(request, out=tmp_path / "copy")
    shutil.copytree(done[0].folder, request.folder)
    limit = max(path.stat().st_size for path in (request.folder / lacking).iterdir()) // 2
    shutil.rmtree(request.folder / lacking)
    (request.folder / "exported.json").unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot be used \(File too large\): free some space"):
            try_apg(request)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = [path for path in (request.folder / lacking).iterdir() if path.suffix != ".part"]
    assert [path.name for path in left if path.stat().st_size >= limit] == []
    again = try_apg(request)
    assert again["runs"]["base"][0]["auc"] == answer["runs"]["base"][0]["auc"]
    assert (request.folder / "model" / "model.pt2").stat().st_size > 1000


KILLED = """
import os, signal, sys
from pathlib import Path
from apg_repro.__main__ import main
from apg_repro.training.timing import Effort
from apg_repro.yours import costs

costs.EFFORT = Effort(rounds=3, at_least=1, seconds=0.1, warmup=0)
where, word, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sync = os.fsync

def killed(file):
    sync(file)
    if where.exists() and where.read_text().count(word) >= times:
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = killed
main(["try", *sys.argv[4:]])
"""
MOMENTS = {  # which file it is writing when it is killed, and how often it has written what by then
    "the first trials are put down": ("clicks_apg/search.journal", "fixed_params", 3),
    "a trial's options are drawn": ("clicks_apg/search.journal", "param_name", 21),
    "a row is written": ("clicks_apg/full/runs/yours.jsonl", '"kind"', 3),
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
@pytest.mark.fault(
    "`apg try` is killed while it puts down its search, draws a trial's options, writes a row",
    "the same command goes on, and its answer is that of one that nothing ended",
)
def test_what_kills_a_trial_changes_nothing_in_its_answer(done, tmp_path, monkeypatch):
    """In the folder that it makes by itself, whose path is a relative one: Optuna's own lock would outlive it there."""
    _, answer = done
    clicks().to_csv(tmp_path / "clicks.csv", index=False)
    options = ["clicks.csv", "--label", "click", "--trials", "3", "--seeds", "2"]
    for place, word, times in MOMENTS.values():
        command = [sys.executable, "-c", KILLED, place, word, str(times), *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == -signal.SIGKILL, found.stderr
        assert (tmp_path / place).read_text().count(word) == times
    monkeypatch.chdir(tmp_path)
    again = try_apg(Request(file=Path("clicks.csv"), label="click", trials=3, seeds=2))
    assert again is not None
    assert again["search"] == answer["search"]
    for side in search.SIDES:
        for one, other in zip(again["runs"][side], answer["runs"][side], strict=True):
            assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert again["baselines"] == answer["baselines"]
    lines = (tmp_path / "clicks_apg" / "full" / "runs" / "yours.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 4


@pytest.mark.parametrize("cut", [40, 700, 5])
@pytest.mark.fault(
    "the journal of a search is torn, as by a full disk", "the same command goes on from its last whole line"
)
def test_a_torn_journal_costs_what_was_torn(cut, done, tmp_path):
    request, answer = done
    request = dataclasses.replace(request, out=tmp_path / "copy")
    shutil.copytree(done[0].folder, request.folder)
    journal = request.folder / "search.journal"
    journal.write_bytes(journal.read_bytes()[:-cut])
    again = try_apg(request)
    assert again is not None
    assert again["search"] == answer["search"]


def test_a_journal_that_is_none_is_one_sentence(done, tmp_path):
    request = dataclasses.replace(done[0], out=tmp_path / "copy")
    shutil.copytree(done[0].folder, request.folder)
    for text in ("[1]\n", "x\n" * 3):
        (request.folder / "search.journal").write_text(text)
        with pytest.raises(UserError, match=r"search.journal is damaged .*: delete it, and the search begins anew"):
            try_apg(request)


@pytest.mark.fault(
    "what `apg try` has written is taken away or damaged: the model, its weights",
    "the model is made again, or one sentence says what to delete",
)
def test_a_model_that_was_taken_away_is_made_again_and_torn_weights_are_named(done, tmp_path):
    request = dataclasses.replace(done[0], out=tmp_path / "copy")
    shutil.copytree(done[0].folder, request.folder)
    shutil.move(request.folder / "model", tmp_path / "served")
    assert try_apg(request)
    names = {path.name for path in (request.folder / "model").iterdir()}
    assert names == {path.name for path in (tmp_path / "served").iterdir()}
    for content in (b"", b"x", next((request.folder / "models").iterdir()).read_bytes()[:-2000]):
        for path in (request.folder / "models").iterdir():
            path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"\.pt is damaged: delete it, and the same command trains that model again"
        ):
            try_apg(request)
    for path in (request.folder / "models").iterdir():
        path.unlink()
    again = try_apg(request)
    assert again is not None
    assert again["runs"] == done[1]["runs"]


@pytest.mark.fault("`apg try` is started twice for one folder", "one sentence; the first goes on")
def test_two_in_one_folder_are_kept_apart(done):
    request, _ = done
    holds = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]).acquire(); print(flush=True); input()"
    command = [sys.executable, "-c", holds, request.folder / ".lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with pytest.raises(UserError, match=r"another process works in .*: wait for it, or give another folder, --out"):
            try_apg(request)
        other.communicate("\n")


def test_a_saved_schema_gives_the_same_work(done, monkeypatch):
    request, answer = done
    forbid_training(monkeypatch)
    found = try_apg(dataclasses.replace(request, label="", schema=request.folder / "schema.json"))
    assert found is not None
    assert found["columns"] == answer["columns"]


def test_a_plan_takes_all_rows_if_there_is_time_and_says_so_if_not():
    fast = search.budget(100_000, 5e-5, 5, "WDL", 1)
    assert (fast.search_rows, fast.rows) == (100_000, 100_000)
    assert fast.trials >= search.FEWEST_TRIALS
    assert fast.seeds >= search.FEWEST_SEEDS
    slow = search.budget(1_000_000, 5e-5, 5, "WDL", 1)
    assert slow.search_rows < slow.rows < 1_000_000
    assert f"a random {slow.search_rows:,} of 1,000,000 rows" in slow.words
    pair = 0.8 * search.EXPECTED_EPOCHS * 5e-5
    assert pair * (slow.trials * slow.search_rows + slow.seeds * slow.rows) <= 300


def test_conditions_are_self_wise_fields_and_mixes_of_them(done):
    request, _ = done
    prepared = load(Columns.load(request.folder / "schema.json"), request.folder)
    known = search.conditions(prepared)
    assert known == ["self", "user_id", "item_id", "input_attention(user_id,item_id)"]


# The verdict.


def answer_with(differences, split="random"):
    """An answer whose APG differs from base so much, in points, by seed."""
    runs = {
        side: [
            {"seed": seed, "auc": 0.7 + gain * difference / 100, "logloss": 0.5, "status": "ok", "groups": {}}
            for seed, difference in enumerate(differences, 1)
        ]
        for side, gain in (("base", 0), ("apg", 1))
    }
    return {"runs": runs, "columns": {"split": split}, "plan": {"rows": 10, "total": 10}, "group_names": []}


@pytest.mark.parametrize(
    ("differences", "word", "sentence"),
    [
        ([0.5, 0.6, 0.55, 0.52, 0.58], "better", "APG is better than base: +0.55"),
        ([0.05, 0.06, 0.055, 0.052, 0.058], "better", "less than the 0.1 that counts"),
        ([0.02, -0.02, 0.01, -0.01, 0.0], "no difference", "within ±0.1"),
        ([-0.5, -0.6, -0.55, -0.52, -0.58], "worse", "APG is worse than base"),
        ([0.9, -0.4, 0.7, -0.2, 0.6], "undecided", ", fixed beforehand, probably would: --seeds"),
        ([math.nan, 0.1, 0.2], "undecided", "No verdict: some runs diverged"),
    ],
)
def test_the_verdict_is_the_rules(differences, word, sentence):
    found = verdict.finding(answer_with(differences))
    assert found.word == word
    assert sentence in found.sentence


def test_the_seeds_that_are_asked_for_would_decide_four_times_in_five():
    """By simulation: with so many seeds of such a difference, its interval is above 0 in 80 % of cases."""
    found = verdict.finding(answer_with([0.9, -0.4, 0.7, -0.2, 0.6]))
    assert found.more is not None
    n = found.difference.n + found.more
    spread = found.difference.error * math.sqrt(found.difference.n)
    values = np.random.default_rng(0).normal(found.difference.mean, spread, (4000, n))
    above = values.mean(1) > quantile(n) * values.std(1, ddof=1) / math.sqrt(n)
    assert 0.77 < above.mean() < 0.87


def test_a_hopeless_case_is_not_sent_for_seeds():
    found = verdict.finding(answer_with([3.0, -3.1, 2.9, -3.0, 0.45]))
    assert found.more is None
    assert "more rows say more" in found.sentence


@pytest.mark.fault("what `apg try` has recorded of its time or its work is damaged", "one sentence that names it")
def test_a_damaged_count_of_minutes_or_key_is_one_sentence(done, tmp_path):
    request = dataclasses.replace(done[0], out=tmp_path / "copy")
    shutil.copytree(done[0].folder, request.folder)
    for content in (b"", b"x", b"\xff", b"nan", b"-1e9"):
        (request.folder / "seconds").write_bytes(content)
        with pytest.raises(UserError, match="seconds is damaged: delete it, and the same command goes on"):
            try_apg(request)
    (request.folder / "key").write_bytes(b"\xff")
    with pytest.raises(UserError, match="holds the work on another file"):
        try_apg(request)


def test_a_label_that_is_not_the_schemas_is_refused(done, tmp_path):
    request = dataclasses.replace(done[0], schema=done[0].folder / "schema.json", label="age", show=True)
    with pytest.raises(UserError, match=r"--label age is not the label in .*schema\.json, click: leave --label out"):
        try_apg(request)
    assert try_apg(dataclasses.replace(request, label="click")) is None


# What is written.


def test_the_report_is_one_file_that_loads_nothing(done):
    request, answer = done
    html = (request.folder / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|<script|<link|@import|url\((?!#)', html)
    assert answer["command"] == "apg try clicks.csv --label click"
    for words in ("Does APG pay", "logistic regression", "gradient boosting", "training rows of the user", "score.py"):
        assert words in html
    assert html.count("<svg") == 3
    assert verdict.finding(answer).sentence[:20] in html


def test_baselines_learn_what_is_there_to_learn(done):
    _, answer = done
    for scores in answer["baselines"].values():
        assert all(score["auc"] > 0.65 for score in scores)


@pytest.mark.parametrize(("above", "says"), [(0.02, True), (-0.02, False)])
def test_a_baseline_that_is_ahead_of_both_is_named(above, says):
    answer = answer_with([0.5, 0.6, 0.55])
    plain = [{"seed": seed, "auc": 0.706 + above + seed / 1e4, "logloss": 0.5} for seed in (1, 2, 3)]
    table = report.scores_table(answer | {"baselines": {"gradient boosting": plain}})
    assert ("Gradient boosting is ahead of both" in table.caption) == says


def test_gains_are_of_test_rows_by_their_training_rows(done):
    _, answer = done
    rows = answer["runs"]["apg"][0]["groups"]["user"]["rows"]
    assert N // 10 - sum(rows) == 9, "so many test rows have no user"
    assert [name for name, n, _ in verdict.gains(answer, "user") if n] == ["10–29", "30–99"]


def test_the_exported_model_gives_the_models_probabilities_for_new_rows_too(done):
    """Missing values, values that are new, and any number of rows: the programs, ``score.py`` and torch agree."""
    import onnxruntime

    request, answer = done
    folder, side = request.folder, answer["exported"]
    rows = clicks(40, seed=5).astype({"item_id": object})
    rows.loc[[0, 1], "user_id"] = ["nobody yet", None]
    rows.loc[2, "item_id"] = 123456
    rows.loc[3, ["price", "age"]] = [np.nan, 1e6]
    rows.to_csv(folder / "new.csv", index=False)
    command = [sys.executable, folder / "model" / "score.py", folder / "new.csv"]
    scored = subprocess.run(command, check=True, capture_output=True, text=True)
    (folder / "scored.csv").write_text(scored.stdout)
    probabilities = pd.read_csv(folder / "scored.csv")["probability"].to_numpy()

    prepared = load(Columns.load(folder / "schema.json"), folder)
    encoding, _, _ = datasets(prepared, 1, answer["plan"]["rows"], CPU)
    config = search.config_of(
        side, answer["search"][side]["options"], seed=1, rows=answer["plan"]["rows"], backbone="WDL"
    )
    model = served(trained(config, encoding, folder / "models" / f"{config.id}.pt"), encoding)
    known = json.loads((folder / "model" / "vocabulary.json").read_text())
    ids = [
        [MISSING if pd.isna(value) else known["ids"][name].get(str(value), RARE) for value in rows[name]]
        for name in known["ids"]
    ]
    fields = torch.tensor(ids, dtype=torch.int32).T.contiguous()
    numbers = torch.from_numpy(rows[known["numbers"]].to_numpy(np.float32))
    with torch.no_grad():
        expected = model(fields, numbers).numpy()
    assert fields[0, 0] == RARE
    assert fields[1, 0] == MISSING
    assert np.abs(probabilities - expected).max() < 1e-5
    program = torch.export.load(folder / "model" / "model.pt2").module()
    assert np.abs(program(fields[:7], numbers[:7]).detach().numpy() - expected[:7]).max() < 1e-5
    session = onnxruntime.InferenceSession(folder / "model" / "model.onnx")
    found = session.run(None, {"fields": fields[:1].numpy(), "numbers": numbers[:1].numpy()})[0]
    assert np.abs(found - expected[:1]).max() < 1e-5


def test_what_is_exported_is_what_was_tested(done):
    """The served model ranks seed 1's test rows as the run's row says."""
    request, answer = done
    prepared = load(Columns.load(request.folder / "schema.json"), request.folder)
    encoding, _, (_, _, test) = datasets(prepared, 1, N, CPU)
    side = answer["exported"]
    config = search.config_of(side, answer["search"][side]["options"], seed=1, rows=N, backbone="WDL")
    model = trained(config, encoding, request.folder / "models" / f"{config.id}.pt")
    found = seeds.auc(seeds.predict(model, test), test.labels)
    assert found == pytest.approx(answer["runs"][side][0]["auc"], abs=1e-6)


def write_rows(rows, path):
    """Writes rows in the form that the file's name says."""
    if path.suffix == ".csv":
        path.write_text(rows.to_csv(index=False).replace("click,", " click, ", 1))  # spaces around two names
    elif path.suffix == ".jsonl":
        rows.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        rows.to_parquet(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("", None, "name one file of rows: python score.py new_rows.csv > scored.csv"),
        ("nowhere.csv", None, "nowhere.csv cannot be read"),
        ("empty.csv", b"", "empty.csv cannot be read"),
        ("torn.csv.gz", gzip.compress(b"member,price\n1,2\n" * 99, mtime=0)[:40], "torn.csv.gz cannot be read"),
        ("short.csv", b"member\n1\n", "short.csv lacks price, which the model needs; it has member"),
    ],
)
def test_score_py_refuses_a_file_that_it_cannot_score_in_one_sentence(name, content, words, tmp_path):
    known = {"ids": {"member": {}}, "numbers": ["price"], "none": []}
    (tmp_path / "vocabulary.json").write_text(json.dumps(known))
    (tmp_path / "score.py").write_text(export.score("text", ","))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, tmp_path / "score.py", *([tmp_path / name] if name else [])]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert words in ended.stderr


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet", "packed.csv"])
def test_score_py_reads_every_value_as_training_does(name, tmp_path, monkeypatch):
    """Truth values, times, dates, whole numbers with gaps, large ones, infinities, spaces, and values that are none."""
    import onnxruntime

    n, times = 400, pd.Timestamp("2024-01-01 10:00:00")
    rows = pd.DataFrame(
        {
            "click": [0, 1] * (n // 2), "member": [True, False, False, True] * (n // 4),
            "sure": [True, None] * (n // 2), "at": [times + pd.Timedelta(hours=i % 5) for i in range(n)],
            "day": [f"2024-01-{1 + i % 7:02d}" for i in range(n)],
            "word": ["a", "", None, " NA ", " a", "b "] * 66 + ["c"] * 4,
            "shop": [1.0, 2.0, None, 3.0] * (n // 4), "hash": [2.0**60, 2.0**61, 3.0, 1e15] * (n // 4),
            "text": ["1", " NA ", "inf", "-inf", "1e37", "-2e37", "9.9e36", " 2.5"] * (n // 8),
            "price": [1.5, np.inf, -np.inf, None, 2.0] * (n // 5),
        }
    )  # fmt: skip
    fields, numbers = ("member", "sure", "at", "day", "word", "shop", "hash"), ("text", "price")
    write_rows(rows, tmp_path / name)
    if name.startswith("packed"):  # what a file is, its first bytes say
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    source = read(tmp_path / name)
    prepare(source, Columns(label="click", fields=fields, numbers=numbers), tmp_path)
    prepared = load(Columns(label="click", fields=fields, numbers=numbers), tmp_path)
    encoding = encode(prepared, np.arange(n))
    (tmp_path / "vocabulary.json").write_text(export.vocabulary(encoding))
    (tmp_path / "score.py").write_text(export.score(source.form, source.delimiter))
    session = SimpleNamespace(run=lambda names, inputs: [np.full(len(inputs["fields"]), 0.5, np.float32)])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path: session)
    monkeypatch.setattr(sys, "argv", ["score.py", str(tmp_path / name)])
    inputs = runpy.run_path(str(tmp_path / "score.py"))["inputs"]
    expected = encoding.dataset(np.arange(n), CPU)
    assert len(expected.fields.unique()) > 5
    for place, field in enumerate(fields):
        assert inputs["fields"][:, place].tolist() == expected.fields[:, place].tolist(), field
        assert RARE not in inputs["fields"][:, place], field
    found = standardised(*map(torch.from_numpy, (inputs["numbers"], encoding.mean, encoding.scale)))
    assert np.array_equal(np.isnan(inputs["numbers"]), expected.numbers[:, 2:].numpy() > 0)
    assert torch.equal(found, expected.numbers[:, :2])


# The command.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv", "--label", "click"], "there is no file none.csv"),
        (["{}"], "name the column to predict: --label click"),
        (["{}", "--label", "clicks"], "there is no column 'clicks' for --label"),
        (["{}", "--label", "click", "--minutes", "0"], "--minutes must be at least 0.1, not 0"),
        (["{}", "--label", "click", "--seeds", "1"], "--seeds must be at least 2, not 1"),
        (["{}", "--label", "click", "--backbone", "WDLL"], "backbone 'WDLL' is unknown; choose one of WDL"),
        (["{}", "--label", "click", "--device", "gpu"], "device 'gpu' is none of cpu, cuda"),
        (["{}", "--schema", "none.json"], "schema none.json cannot be read (No such file or directory)"),
        (["{}", "--label", "click", "--minutes", "nan"], "--minutes must be at least 0.1, not nan"),
        (["{}", "--label", "click", "--seeds", "1" + "0" * 30], "--seeds must be at most 1,000, not 1,000,000"),
        (["{}", "--label", "click", "--trials", "10001"], "--trials must be at most 10,000, not 10,001"),
        (["{}", "--label", "click", "--out", ""], "--out names no folder"),
        (["{}", "--label", "click", "--out", "{}"], "cannot be written (File exists): give another folder, --out"),
        (["{}", "--schema", "none.json", "--user", "user_id"], "--schema says what each column is"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_remedy(arguments, message, done, capsys):
    assert main(["try", *(part.format(done[0].file) for part in arguments)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_columns_can_be_looked_at_alone(done, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["try", str(done[0].file), "--label", "click", "--show"]) == 0
    assert "user_id" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_file_without_numbers_and_with_odd_names_goes_all_the_way(tmp_path):
    rows = clicks(400).rename(columns={"user_id": "self", "item_id": "item (id), no. 1"}).drop(columns=["price", "age"])
    rows.to_csv(tmp_path / "odd.csv", index=False)
    found = try_apg(Request(file=tmp_path / "odd.csv", label="click", trials=1, seeds=2, out=tmp_path / "out"))
    assert found is not None
    scored = subprocess.run(
        [sys.executable, tmp_path / "out" / "model" / "score.py", tmp_path / "odd.csv"], check=True, capture_output=True
    )
    assert scored.stdout.count(b"\n") == 401


def test_other_commands_import_no_optuna():
    code = "import sys, apg_repro.__main__ as m; m.main(['status']); assert 'optuna' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_without_the_extra_one_line_says_how_to_get_it(done, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "apg_repro.yours.trying", None)
    assert main(["try", str(done[0].file), "--label", "click"]) == 1
    assert "pip install 'apg-repro[try]'" in capsys.readouterr().err


def test_a_notebook_shows_what_the_report_shows(done):
    _, answer = done
    shown = [one for _, part in report.sections(answer) for one in part]
    assert all("<" in one._repr_html_() for one in shown)
    assert trying.Request(file=done[0].file).folder.name == "clicks_apg"


def test_the_books_example_is_what_the_command_wrote_and_needs_no_file():
    answer = page.open("", "", 5)
    assert answer["command"].startswith("apg try renttherunway.parquet --label rating")
    assert answer["origin"]["dirty"] is False
    assert [column["name"] for column in answer["inspected"] if column["kind"] == "leak suspect"] == ["recommend"]
    runs = answer["runs"]
    assert [run["seed"] for run in runs["base"]] == [run["seed"] for run in runs["apg"]] == answer["seeds"]
    assert len(answer["search"]["base"]["trials"]) == len(answer["search"]["apg"]["trials"])
    assert verdict.finding(answer).sentence in report.verdict_line(answer).html
    assert verdict.finding(verdict.first(answer, 5)).difference.n == 5
    is_sample = answer["plan"]["rows"] < answer["plan"]["total"]
    assert (f"{answer['plan']['rows']:,} of" in report.verdict_line(answer).html) == is_sample
