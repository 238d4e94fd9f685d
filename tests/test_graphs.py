"""Which steps are recorded and replayed; on a GPU, that they train as the others do."""

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.training.build import build
from apg_repro.training.graphs import EAGER_STEPS, Graphed
from apg_repro.training.train import make_step, train_epoch


class WithoutGpu(Graphed):
    """Recording and replaying on a CPU: the step runs again on what ``chosen`` holds then."""

    def __init__(self, step, batch_size) -> None:
        super().__init__(step, batch_size)
        self.n_replayed = 0

    def run_aside(self, chosen):
        return self.step(chosen)

    def record(self):
        def replay() -> None:
            self.n_replayed += 1
            self.loss = self.step(self.chosen)

        return replay


def test_every_batch_is_trained_on_once_and_in_order():
    trained = []

    def step(chosen):
        trained.append(chosen.tolist())
        return chosen.sum()

    graphed = WithoutGpu(step, batch_size=2)
    epochs = [torch.arange(11) + 100 * epoch for epoch in range(2)]
    batches = [batch for epoch in epochs for batch in epoch.split(2)]
    losses = [int(graphed(batch)) for batch in batches]
    assert trained == [batch.tolist() for batch in batches]
    assert losses == [int(batch.sum()) for batch in batches]
    # all but the first full batches and the smaller one that ends each epoch
    assert graphed.n_replayed == len(batches) - EAGER_STEPS - 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("version", "tolerance"), [("base", 1e-5), ("v4", 1e-2), ("v5", 1e-2)])
def test_a_graphed_epoch_equals_an_eager_one(version, tolerance, small):
    """Up to the order of additions, which a GPU does not fix and products of generated weights amplify."""
    rows = small.to(torch.device("cuda"))
    sizes = {"d_embedding": 8, "hidden": (32, 16), "batch_size": 64, "rank": 4, "over": 8}
    config = RunConfig(dataset="small", seed=1, version=version, **sizes)
    losses = []
    for as_graph in (True, False):
        model = build(config, rows.schema).cuda()
        step = make_step(model, rows, config)
        assert isinstance(step, Graphed)
        shuffle = torch.Generator().manual_seed(0)
        epoch = train_epoch(model, step if as_graph else step.step, rows, config.batch_size, shuffle)
        assert (step.replay is not None) == as_graph
        losses.append(epoch["train_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    assert losses[0] < 0.69, "it learns"
