"""Training steps as CUDA graphs: a step's kernels are recorded once and launched together from then on.

A step of a CTR model is some hundred kernels of a few microseconds each, so launching them one by one leaves a GPU
idle most of the time.
"""

from collections.abc import Callable

import torch
from jaxtyping import Int

Work = Callable[[], object]
Step = Callable[[torch.Tensor], torch.Tensor]
EAGER_STEPS = 3  # before recording, so that allocations and library handles have settled


class Graphed:
    """A step that is recorded on its fourth full batch and replayed for those that follow.

    Other batches, such as the smaller one that ends an epoch, go through the step itself. Numbers are the same, up to
    the order in which a GPU adds.

    Args:
        step: row numbers on a CUDA device, (n,) → loss. Its shapes depend on n only, and it copies nothing from or to
            the CPU.
        batch_size: n of a full batch.
    """

    def __init__(self, step: Step, batch_size: int) -> None:
        self.step, self.batch_size = step, batch_size
        self.n_eager = 0
        self.replay: Callable[[], None] | None = None
        self.chosen = self.loss = torch.empty(0)  # what a replay reads and what it writes

    def __call__(self, chosen: Int[torch.Tensor, " n"]) -> torch.Tensor:
        if len(chosen) != self.batch_size:
            return self.step(chosen)
        if self.n_eager < EAGER_STEPS:
            self.n_eager += 1
            return self.run_aside(chosen)
        if self.replay is None:
            self.chosen = chosen.clone()
            self.replay = self.record()
        self.chosen.copy_(chosen)
        self.replay()
        return self.loss

    def run_aside(self, chosen: Int[torch.Tensor, " n"]) -> torch.Tensor:
        """One step on a stream of its own, as recording will be."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss = self.step(chosen)
        torch.cuda.current_stream().wait_stream(stream)
        return loss

    def record(self) -> Callable[[], None]:
        """Records the step without running it; returns what runs it, from ``chosen`` to ``loss``."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.loss = self.step(self.chosen)
        return graph.replay


def captured(work: Work) -> Callable[[], None]:
    """Some work without arguments as a CUDA graph: it is done a few times, then recorded; returns what replays it.

    Args:
        work: always the same kernels on the same tensors; it copies nothing from or to the CPU.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(EAGER_STEPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
