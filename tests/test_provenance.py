"""Which commit a row names."""

import subprocess

import pytest

from apg_repro.rows import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, whose folder the package takes for its own."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    (tmp_path / "apg_repro").mkdir()
    (tmp_path / "apg_repro" / "layer.py").write_text("y = x\n")
    as_someone = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    for command in (["init", "-q"], ["add", "."], [*as_someone, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_row_names_the_commit_and_whether_the_package_differs_from_it(checkout):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True)
    (checkout / "notes").write_text("not of the package")
    assert provenance.commit.__wrapped__() == (head.stdout[:12], False)
    (checkout / "apg_repro" / "layer.py").write_text("y = 2 * x\n")
    assert provenance.commit.__wrapped__() == (head.stdout[:12], True)


def test_no_commit_is_named_in_a_folder_of_another_checkout(checkout, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", checkout / "apg_repro")
    assert provenance.commit.__wrapped__() == (None, None)
    assert provenance.git("rev-parse", "HEAD") is None


def test_no_commit_is_named_without_git(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit.__wrapped__() == (None, None)
