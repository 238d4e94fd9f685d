"""How fast DeepCTR-Torch trains its WDL, in rows per second: one line of JSON.

    python benchmarks/peers.py benchmarks/peer_speed.py --rows 100000 --warmup 20000 --threads 2

Data, sizes, batch size, optimiser and learning rate are those of our runs. The time is that of its own ``fit``, from
the beginning of an epoch to its end: batches, which a DataLoader puts together row by row, forward, backward, Adam.

It does no more than our training does: no regularisation, no metrics, no validation; making the input tensors is not
timed.
"""

import argparse
import json
import platform
import sys
import time
from contextlib import redirect_stdout
from importlib.metadata import version

import theirs
import torch

from apg_repro.config import RunConfig
from apg_repro.data.dataset import Dataset, load, split
from apg_repro.experiments.speed.plan import PEER_DATASET


class EpochTimer(theirs.callbacks.Callback):
    """Seconds of the last epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="timed rows")
    parser.add_argument("--warmup", type=int, default=20_000, help="rows trained on before")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = split(load(PEER_DATASET), seed=0)[0].copy()
    if options.warmup + options.rows > len(data):
        parser.error(f"there are {len(data):,} training rows")
    rows = torch.arange(options.warmup + options.rows)
    with redirect_stdout(sys.stderr):
        seconds = measure(data.take(rows[: options.warmup]), data.take(rows[options.warmup :]))
    result = {
        "peer": "DeepCTR-Torch WDL",
        "rows_per_second": round(options.rows / seconds),
        "rows": options.rows,
        "threads": options.threads,
        "versions": {name: version(name) for name in ("deepctr-torch", "torch", "numpy")}
        | {"python": platform.python_version()},
    }
    print(json.dumps(result))


def measure(warmup: Dataset, timed: Dataset) -> float:
    """Seconds that one epoch over ``timed`` takes, after one over ``warmup``."""
    config = RunConfig(dataset=PEER_DATASET, seed=0)
    columns = theirs.columns(timed.schema, config.d_embedding)
    model = theirs.models.WDL(columns, columns, dnn_hidden_units=config.hidden, l2_reg_linear=0, l2_reg_embedding=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    model.compile(optimizer, "binary_crossentropy")
    timer = EpochTimer()
    for rows in (warmup, timed):
        labels = rows.labels.numpy()
        model.fit(theirs.arrays(rows), labels, batch_size=config.batch_size, verbose=0, callbacks=[timer])
    return timer.seconds


if __name__ == "__main__":
    main()
