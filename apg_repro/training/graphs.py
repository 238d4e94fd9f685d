"""Training steps as CUDA graphs: a step's kernels are recorded once and launched together from then on.

A step of a CTR model is some hundred kernels of a few microseconds each, so launching them one by one leaves a GPU
idle most of the time. A recorded step finds its batch by itself: the order of the rows lies on the device, as does the
number of rows that are done. So the CPU launches one graph per step and nothing else, and many runs can share a GPU,
each in a thread of its own (``run/fleet.py``).
"""

import threading
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int

Step = Callable[[torch.Tensor], torch.Tensor]  # row numbers, (n,) → loss
Work = Callable[[], object]
EAGER_STEPS = 3  # before recording, so that allocations and library handles have settled
RECORDING = threading.RLock()  # one thread at a time records


class Losses:
    """The sum of an epoch's losses, row by row, and the worst of its batches, in nats, on the device."""

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros((), device=device)
        self.worst = torch.zeros((), device=device)

    def clear(self) -> None:
        """Begins an epoch."""
        self.total.zero_()
        self.worst.zero_()

    def add(self, loss: torch.Tensor, n: int) -> None:
        """A batch of n rows."""
        self.total += loss * n
        self.worst.copy_(torch.maximum(self.worst, loss))  # keeps a NaN


class Eager:
    """Trains on batch after batch.

    Args:
        step: trains on a batch.
        batch_size: n of a full batch; the last one of an epoch may be smaller.
        device: where the losses are.
    """

    def __init__(self, step: Step, batch_size: int, device: torch.device) -> None:
        self.step, self.batch_size, self.device = step, batch_size, device
        self.losses = Losses(device)

    def __call__(self, chosen: Int[torch.Tensor, " n"]) -> torch.Tensor:
        """Trains on these rows; returns their loss before the step."""
        return self.step(chosen)

    def epoch(self, order: Int[torch.Tensor, " R"]) -> Iterator[int]:
        """Trains on the rows in this order; gives the number of rows of every batch, once it is trained on."""
        self.losses.clear()
        for chosen in order.split(self.batch_size):
            self.losses.add(self.step(chosen), len(chosen))
            yield len(chosen)


class Graphed(Eager):
    """The same with steps that are recorded on the fourth full batch and replayed for those that follow.

    Smaller batches go through the step itself. Numbers are the same, up to the order in which a GPU adds.

    Args:
        step: its shapes depend on n only, and it copies nothing from or to the CPU.
        batch_size, device: as above, a CUDA device. All epochs have the same number of rows.
    """

    def __init__(self, step: Step, batch_size: int, device: torch.device) -> None:
        super().__init__(step, batch_size, device)
        self.n_eager = 0
        self.replay: Callable[[], None] | None = None
        self.order: torch.Tensor | None = None  # what a replay reads
        self.done = torch.zeros(1, dtype=torch.long, device=device)  # rows; moved by each replay
        self.within = torch.arange(batch_size, device=device)

    def epoch(self, order: Int[torch.Tensor, " R"]) -> Iterator[int]:
        if self.order is None:
            self.order = order.clone()
        self.order.copy_(order)
        self.done.zero_()
        self.losses.clear()
        full, rest = divmod(len(order), self.batch_size)
        for _ in range(full):
            self.advance()
            yield self.batch_size
        if rest:
            chosen = self.order[-rest:]
            self.losses.add(self.step(chosen), rest)
            yield rest

    def advance(self) -> None:
        """Trains on the next full batch."""
        if self.replay is None:
            with RECORDING:
                if self.n_eager < EAGER_STEPS:
                    self.n_eager += 1
                    return self.run_aside()
                self.replay = self.record()
        return self.replay()

    def next_step(self) -> None:
        """What is recorded: the step on the rows that come next."""
        assert self.order is not None
        chosen = self.order.index_select(0, self.within + self.done)
        self.losses.add(self.step(chosen), self.batch_size)
        self.done += self.batch_size

    def run_aside(self) -> None:
        """One step on a stream of its own, as recording will be."""
        aside(self.next_step, self.device)

    def record(self) -> Callable[[], None]:
        """Records the step without running it; returns what runs it."""
        return recorded(self.next_step)


def captured(work: Work) -> Callable[[], None]:
    """Some work on the current GPU as a CUDA graph: it is done a few times, then recorded; returns what replays it.

    Args:
        work: without arguments, always the same kernels on the same tensors; it copies nothing from or to the CPU.
    """
    for _ in range(EAGER_STEPS):
        aside(work, "cuda")
    return recorded(work)


def aside(work: Work, device: torch.device | str) -> None:
    """Some work on a stream of its own, as recording will be."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream(device).wait_stream(stream)


def recorded(work: Work) -> Callable[[], None]:
    """Records some work without doing it; returns what does it."""
    graph = torch.cuda.CUDAGraph()
    # Other threads may go on meanwhile with what a recording thread must not do, such as reading a result.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        work()
    return graph.replay
