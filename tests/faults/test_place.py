"""A checkout in an odd place: its path, the locale, a missing home, a folder that cannot be written, another's git."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apg_repro.__main__ import main
from apg_repro.catalogue import CATALOGUE
from apg_repro.config import RunConfig
from apg_repro.data.gate import enter
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.paths import ROOT
from apg_repro.rows.store import Store
from tests.checkout import ENOUGH, Checkout, in_proc, needs_synthetic
from tests.conftest import trained_row

C = {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii"}
ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # Python would otherwise take UTF-8 for the locale C


@in_proc
@needs_synthetic
@pytest.mark.fault(
    "checkout in a path with spaces and umlauts, LANG=C, output in ASCII, HOME missing, or impossible to make",
    "a command trains the same rows and prints its tables; a notebook is executed, or a sentence says how",
)
def test_neither_path_nor_locale_nor_a_missing_home_changes_a_row(tmp_path, whole):
    made = Checkout(tmp_path / "Prüfung mit Leerzeichen")
    odd = {"HOME": str(tmp_path / "nobody"), **C}
    assert made.run("--seeds", "1", "--jobs", "1", **odd).wait(ENOUGH) == 0, made.words()
    assert made.lines() == whole[:1]
    assert "Mini, synthetic, profile quick" in made.words()
    assert "Traceback" not in made.words()
    assert made.start("-m", "apg_repro", "status", "--profile", "quick", **odd, **ASCII).wait(ENOUGH) == 0, made.words()
    assert re.search(r"^mini +quick .*synthetic.* runs 1 of ", made.words(), re.MULTILINE), made.words()
    made.notebook("works", "import apg_repro; print('Δ', apg_repro.__file__)")
    (tmp_path / "file").touch()
    odd["HOME"] = str(tmp_path / "file" / "home")  # that nobody can make
    assert made.start("-m", "apg_repro", "notebooks", **odd).wait(ENOUGH) == 0, made.words()
    page = (made.folder / "book" / "executed" / "works.ipynb").read_text("utf-8")
    assert f"Δ {made.folder}" in page
    assert made.start("-m", "apg_repro", "notebooks", **odd, **ASCII).wait(ENOUGH) == 1
    assert made.words().splitlines()[-1].startswith("error: works cannot be executed: ")
    assert "Traceback" not in made.words()


def as_owner(*command: object) -> list[str]:
    """The command without root's right to write everywhere."""
    if os.geteuid() != 0:
        return list(map(str, command))
    if not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and there is no setpriv")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *map(str, command)]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders are Unix's")
@pytest.mark.fault("the folder of results or of data cannot be written", "one sentence, before anything is trained")
def test_a_folder_that_cannot_be_written_is_one_sentence_before_anything_is_trained(tmp_path):
    script = """if True:
        import sys
        from pathlib import Path
        from apg_repro.data.prepare import main
        from apg_repro.errors import UserError
        from apg_repro.rows.store import Store
        from tests.tiny import table, write
        folder = Path(sys.argv[1])
        for number in range(2):
            store = Store(folder / str(number))
            try:
                store.check_writable(store.runs_path("quick", "d"))
            except UserError as error:
                print(error)
        main("tiny", "", lambda: write(folder, table()), arguments=[])
    """
    (tmp_path / "1" / "quick" / "runs").mkdir(parents=True)
    for folder in (tmp_path / "1" / "quick" / "runs", tmp_path):
        folder.chmod(0o500)
    command = as_owner(sys.executable, "-c", script, tmp_path)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    tmp_path.chmod(0o700)
    missing, present = done.stdout.splitlines()
    for line, folder in ((missing, "0"), (present, "1")):
        path = tmp_path / folder / "quick" / "runs" / "d.jsonl"
        assert line == f"{path} cannot be written (Permission denied): check the permissions of its folder"
    assert done.stderr.startswith(f"tiny: {tmp_path / 'tiny'} cannot be written (Permission denied)")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("made", ["folder", "dangling link", "no permission"])
@pytest.mark.fault("a file of rows cannot be read: it is a folder, a dangling link, somebody else's", "one sentence")
def test_a_file_of_rows_that_cannot_be_read_is_one_sentence(tmp_path, made):
    path = Store(tmp_path).runs_path("full", "d")
    path.parent.mkdir(parents=True)
    if made == "folder":
        path.mkdir()
    elif made == "dangling link":
        path.symlink_to(tmp_path / "nowhere" / "d.jsonl")
    else:
        path.touch(mode=0o200)
    script = f"""if True:
        from pathlib import Path
        from apg_repro.errors import UserError
        from apg_repro.rows.store import Store
        try:
            Store(Path({str(tmp_path)!r})).runs("full", "d")
        except UserError as error:
            print(error)
    """
    command = as_owner(sys.executable, "-c", script)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path} cannot be read ("), done.stdout


@pytest.mark.fault("the checkout has no git of its own, but lies in another repository", "rows name no commit")
def test_rows_do_not_name_the_commit_of_another_repository(tmp_path):
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "other"], check=True)
    made = Checkout(tmp_path / "checkout")
    assert made.start("-c", "from apg_repro.rows.provenance import commit; print(commit())").wait(ENOUGH) == 0
    assert made.words() == "(None, None)\n"


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "a/../../x", "x\0y"])
@pytest.mark.fault("names of suites and data sets that leave their folder", "refused in one sentence; nothing is made")
def test_no_name_leads_out_of_its_folder(name, tmp_path, capsys):
    before = set(tmp_path.parent.iterdir())
    for arguments in (["run", name], ["run", "table4", "--datasets", name], ["notebooks", name]):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
    with pytest.raises(UserError):
        enter(name, root=tmp_path / "data")
    with pytest.raises(UserError):
        Store(tmp_path).append("quick", trained_row(RunConfig(dataset=name, seed=1)))
    assert set(tmp_path.parent.iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_every_known_name_is_a_plain_one():
    for name in [*CATALOGUE, get_suite("table4").name]:
        assert Path(name).name == name


@pytest.mark.fault("a seed that no other program can read, 2^70", "refused before it is trained")
def test_a_seed_that_other_programs_cannot_read_is_refused(capsys):
    assert main(["run", "table4", "--datasets", "synthetic", "--seeds", str(2**70)]) == 1
    assert "seeds must be below 2^63" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.fault("the disk is full below the output of a command", "one sentence")
def test_output_for_which_there_is_no_room_is_one_sentence():
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "apg_repro", "status"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written (No space left on device); rows are in the store\n"
