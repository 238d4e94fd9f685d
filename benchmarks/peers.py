"""Runs Python in the peers' own virtual environment, ``.venv-peers``, made when it is needed.

    python benchmarks/peers.py benchmarks/crosscheck.py
    python benchmarks/peers.py benchmarks/peer_speed.py --rows 100000 --threads 2
    python benchmarks/peers.py -m apg_repro run table10 --profile full

Nothing of the peers is a requirement of this project.
"""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / ".venv-peers"
REQUIREMENTS = [ROOT / "pyproject.toml", ROOT / "constraints.txt", HERE / "peers.txt"]


def interpreter() -> Path:
    """The environment's Python; made again when the requirements have changed."""
    python, installed = VENV / "bin" / "python", VENV / "installed.txt"
    wanted = "".join(path.read_text() for path in REQUIREMENTS)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"making {VENV.name}", file=sys.stderr)
        venv.create(VENV, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
        # A program's output is its own, so pip's goes with the messages.
        packages = ["--requirement", HERE / "peers.txt", "--editable", f"{ROOT}[train]"]
        subprocess.run([*install, *packages], check=True, stdout=sys.stderr)
        installed.write_text(wanted)
    return python


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python benchmarks/peers.py PROGRAM or -m MODULE, and its options", file=sys.stderr)
        return 2
    return subprocess.run([interpreter(), *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
