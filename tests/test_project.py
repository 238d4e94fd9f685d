"""The files of the project agree with each other."""

import yaml

from apg_repro.paths import ROOT


def test_pre_commit_has_the_quick_checks_of_make_test():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in hooks:
        tool = hook["entry"].split()[0].removeprefix(".venv/")
        assert f"$({'BIN'}){tool.removeprefix('bin')}" in makefile, hook["entry"]
