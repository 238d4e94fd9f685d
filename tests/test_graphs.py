"""Which steps are recorded and replayed; on a GPU, that they train as the others do."""

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.training.build import build
from apg_repro.training.graphs import EAGER_STEPS, Eager, Graphed
from apg_repro.training.train import make_step, train_epoch


class WithoutGpu(Graphed):
    """Recording and replaying on a CPU: the step runs again."""

    n_replayed = 0

    def run_aside(self):
        self.next_step()

    def record(self):
        def replay() -> None:
            self.n_replayed += 1
            self.next_step()

        return replay


def test_every_batch_is_trained_on_once_and_in_order():
    trained = []

    def step(chosen):
        trained.append(chosen.tolist())
        return chosen.sum().float()

    graphed = WithoutGpu(step, 2, torch.device("cpu"))
    epochs = [torch.arange(11) + 100 * epoch for epoch in range(2)]
    for order in epochs:
        assert list(graphed.epoch(order)) == [2, 2, 2, 2, 2, 1]
        batches = order.split(2)
        assert float(graphed.losses.total) == sum(int(batch.sum()) * len(batch) for batch in batches)
        assert float(graphed.losses.worst) == max(int(batch.sum()) for batch in batches)
    assert trained == [batch.tolist() for order in epochs for batch in order.split(2)]
    # all but the first full batches and the smaller one that ends each epoch
    assert graphed.n_replayed == 12 - EAGER_STEPS - 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [({}, 1e-5), ({"version": "v4"}, 1e-2), ({"version": "v5"}, 1e-2), ({"backbone": "DCN"}, 1e-5)],
)
def test_a_graphed_epoch_equals_an_eager_one(options, tolerance, small):
    """Up to the order of additions, which a GPU does not fix and products of generated weights amplify."""
    rows = small.to(torch.device("cuda"))
    sizes = {"d_embedding": 8, "hidden": (32, 16), "batch_size": 64, "rank": 4, "over": 8}
    config = RunConfig(dataset="small", seed=1, **sizes, **options)
    assert len(rows) % config.batch_size, "an epoch ends with a smaller batch"
    losses = []
    for as_graph in (True, False):
        model = build(config, rows.schema).cuda()
        steps = make_step(model, rows, config)
        assert isinstance(steps, Graphed)
        shuffle = torch.Generator().manual_seed(0)
        used = steps if as_graph else Eager(steps.step, config.batch_size, steps.device)
        epoch = train_epoch(model, used, len(rows), shuffle)
        assert (steps.replay is not None) == as_graph
        losses.append(epoch["train_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    assert losses[0] < 0.69, "it learns"
