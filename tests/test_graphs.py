"""Which steps are recorded and replayed. On a CPU a stand-in takes the place of CUDA's recorder."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from apg_repro.graphs import EAGER_STEPS, Graphed


@pytest.fixture
def cuda(monkeypatch):
    """Streams that do nothing, and a recorder that notes when a step is recorded and not run."""
    state = SimpleNamespace(recording=False, replay=lambda: None)

    @contextmanager
    def record(graph):
        state.recording = True
        yield
        state.recording = False

    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: state.replay()))
    monkeypatch.setattr(torch.cuda, "graph", record)
    return state


def test_every_batch_is_trained_on_once_and_in_order(cuda):
    trained, eager = [], []

    def step(chosen):
        if not cuda.recording:
            eager.append(len(trained))
            trained.append(chosen.tolist())
        return torch.zeros(())

    graphed = Graphed(step, batch_size=2)
    cuda.replay = lambda: trained.append(graphed.chosen.tolist())
    epochs = [torch.arange(11) + 100 * epoch for epoch in range(2)]
    batches = [batch for epoch in epochs for batch in epoch.split(2)]
    for batch in batches:
        graphed(batch)
    assert trained == [batch.tolist() for batch in batches]
    # the first full batches, and the smaller one that ends each epoch
    assert eager == [*range(EAGER_STEPS), 5, 11]
