"""A digest changes with what determines a row, and with nothing else."""

import shutil

import pytest

from apg_repro import provenance
from apg_repro.config import LARGE_RANK, Measurement, RunConfig
from apg_repro.provenance import code_digest, digest_of, number_modules


def config(version="v4", **options):
    rank = {"rank": None if version == "base" else 2}
    return RunConfig(suite="s", dataset="d", variant=version, seed=1, version=version, **(rank | options))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose source can be changed."""
    copy = tmp_path / "apg_repro"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    digest_of.cache_clear()
    yield copy
    digest_of.cache_clear()


def changed(package, name, old, new, task):
    """Whether replacing old by new in a module changes the digest of a task."""
    before, path = code_digest(task), package / f"{name}.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    digest_of.cache_clear()
    after = code_digest(task)
    path.write_text(text)
    digest_of.cache_clear()
    return before != after


def test_docstrings_and_comments_do_not_count(package):
    assert not changed(package, "nn/apg", '"""The paper\'s layer', '"""# Once more, the paper\'s layer', config())
    assert not changed(package, "train", "# also when it is NaN", "# or NaN", config())


def test_the_code_of_a_runs_own_modules_counts(package):
    assert changed(package, "train", "epoch - best_epoch >=", "epoch - best_epoch >", config())
    assert changed(package, "models/wdl", "self.wide(", "2 * self.wide(", config())
    assert changed(package, "nn/apg", "torch.eye(self.rank)", "2 * torch.eye(self.rank)", config())


def test_other_versions_conditions_and_pages_do_not_count(package):
    assert not changed(package, "nn/apg", "w = u @ s @ v", "w = 2 * u @ s @ v", config("v4"))
    assert changed(package, "nn/apg", "w = u @ s @ v", "w = 2 * u @ s @ v", config("v2"))
    assert not changed(package, "nn/apg", "torch.eye(self.rank)", "2 * torch.eye(self.rank)", config("base"))
    assert not changed(package, "nn/conditions", "squeeze(1)", "squeeze(-2)", config())
    assert changed(package, "nn/conditions", "squeeze(1)", "squeeze(-2)", config(condition="user"))
    assert not changed(package, "report", "0.975", "0.995", config())


def test_the_class_for_large_ranks_counts_where_the_rank_is_large(package):
    old, new = "us = F.linear(condition", "us = 2 * F.linear(condition"
    small, large = (config("v5", over=2), config("v5", over=2, rank=LARGE_RANK))
    assert not changed(package, "nn/apg", old, new, small)
    assert changed(package, "nn/apg", old, new, large)
    assert changed(package, "nn/apg", "apply_per_instance(s, h), self.u_left", "2 * h, self.u_left", large)


def test_a_measurement_has_the_digest_of_its_own_suite_and_of_what_that_imports(package):
    task = Measurement(suite="table7", dataset="movielens")
    assert changed(package, "measure/table7", '"users": int(', '"users": 1 + int(', task)
    assert not changed(package, "train", "epoch - best_epoch >=", "epoch - best_epoch >", task)
    assert number_modules(task) == ["data", "measure/table7"]


def test_a_timing_has_the_digest_of_the_models_that_it_times(package):
    task = Measurement(suite="speed", dataset="movielens")
    assert changed(package, "models/wdl", "self.wide(", "2 * self.wide(", task)
    assert changed(package, "nn/apg", "self.u_left @ self.u_right", "2 * self.u_left @ self.u_right", task)


def test_outside_of_git_there_is_no_commit(monkeypatch):
    def no_git(*arguments):
        raise FileNotFoundError("git")

    monkeypatch.setattr(provenance, "git", no_git)
    assert provenance.commit(config()) == (None, None)
