"""Measures Table 10 where ONNX Runtime is: what of the suite the store lacks.

python benchmarks/peers.py serving --profile full
"""

import argparse

from apg_repro.run import run_suite
from apg_repro.suites import SEEDS, Plan, get_suite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=SEEDS, default="full")
    profile = parser.parse_args().profile
    suite = get_suite("table10")
    for dataset in suite.datasets:
        run_suite(suite, Plan(profile=profile, dataset=dataset, seeds=SEEDS[profile]))


if __name__ == "__main__":
    main()
