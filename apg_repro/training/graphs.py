"""Training steps as CUDA graphs: a step's kernels are recorded once and launched together from then on.

A step of a CTR model is some hundred kernels of a few microseconds each, so launching them one by one leaves a GPU
idle most of the time. A recorded step finds its batch by itself: the order of the rows lies on the device, as does the
number of rows that are done. So the CPU launches one graph per step and nothing else, and many runs can share a GPU,
each in a thread of its own (``run/fleet.py``).
"""

import contextlib
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int

from apg_repro.errors import in_a_line, out_of_memory

Step = Callable[[torch.Tensor], torch.Tensor]  # row numbers, (n,) → loss
Work = Callable[[], object]
EAGER_STEPS = 3  # before recording, so that allocations and library handles have settled
TRIES = 3  # at recording: another thread may spoil one, by what makes all of a GPU's streams wait
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
        self.total.add_(loss, alpha=n)
        torch.maximum(self.worst, loss, out=self.worst)  # keeps a NaN


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

    Smaller batches go through the step itself, and so do all where recording fails ``TRIES`` times, which warns.
    Numbers are the same, up to the order in which a GPU adds.

    Args:
        step: its shapes depend on n only, and it copies nothing from or to the CPU.
        batch_size, device: as above, a CUDA device. All epochs have the same number of rows.

    Attributes:
        is_recorded: whether recording has succeeded.
    """

    is_recorded = False

    def __init__(self, step: Step, batch_size: int, device: torch.device) -> None:
        super().__init__(step, batch_size, device)
        self.n_eager = self.n_failed = 0
        self.side: Side | None = None
        self.replay: Callable[[], None] | None = None
        self.order: torch.Tensor | None = None  # what a replay reads
        self.places = torch.arange(batch_size, device=device)  # of the next batch in that order; moved by each replay

    def epoch(self, order: Int[torch.Tensor, " R"]) -> Iterator[int]:
        if self.order is None:
            self.order = order.clone()
        self.order.copy_(order)
        torch.arange(self.batch_size, out=self.places)
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
                self.replay = self.recorded_or_not()
                if self.replay is None:
                    return self.run_aside()
        return self.replay()

    def recorded_or_not(self) -> Callable[[], None] | None:
        """What replays the step; the step itself where it cannot be recorded, unless memory is what it lacks.

        None if that is to be tried again, on another stream and after as many steps.
        """
        try:
            replay = self.record()
        except Exception as error:
            if out_of_memory(error):
                raise
            self.n_failed += 1
            if self.n_failed < TRIES:
                self.side, self.n_eager = None, 1  # the step that follows is one of them
                return None
            warnings.warn(f"steps are launched one by one, as recording failed: {in_a_line(error)}", stacklevel=2)
            return self.run_aside
        self.is_recorded = True
        return replay

    def next_step(self) -> None:
        """What is recorded: the step on the rows that come next."""
        assert self.order is not None
        chosen = self.order.index_select(0, self.places)
        self.losses.add(self.step(chosen), self.batch_size)
        self.places += self.batch_size

    def run_aside(self) -> None:
        """One step on the stream on which it will be recorded."""
        self.side = self.side or Side(self.device)
        self.side.run(self.next_step)

    def record(self) -> Callable[[], None]:
        """Records the step without running it; returns what runs it."""
        assert self.side is not None
        return self.side.record(self.next_step)


def captured(work: Work) -> Callable[[], None]:
    """Some work on the current GPU as a CUDA graph: it is done a few times, then recorded; returns what replays it.

    Args:
        work: without arguments, always the same kernels on the same tensors; it copies nothing from or to the CPU.
    """
    side = Side("cuda")
    for _ in range(EAGER_STEPS):
        side.run(work)
    replay = side.record(work)

    def again(kept: Work = work) -> None:  # the graph reads the tensors of the work where they lie
        replay()

    return again


def timed_step(steps: Eager, batches: Iterator[torch.Tensor]) -> Work:
    """A training step as every run takes it: on the next batch, or where steps are recorded, a graph for the first."""
    if isinstance(steps, Graphed):
        first = next(batches)
        return captured(lambda: steps(first))
    return lambda: steps(next(batches))


def with_index(device: torch.device | str) -> torch.device:
    """This GPU; the current one where a name says no more than "cuda"."""
    index = torch.device(device).index
    return torch.device("cuda", torch.cuda.current_device() if index is None else index)


class Side:
    """A stream of a GPU on which some work is done and then recorded, for one graph alone as long as that lives.

    cuBLAS has a workspace for each stream, and a graph keeps its address: graphs that were recorded on one stream would
    write into it at the same time, or lose it when the first of them ends. torch gives out its streams in turn, the
    same ones again after 32, but no run's own stream has the priority of these. So what other threads launch meanwhile
    is done at once and not recorded.

    Raises:
        RuntimeError: as many graphs live on this GPU as there are such streams.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = with_index(device)
        with RECORDING:
            end_graphs()
            if self.device not in FREE_STREAMS:
                FREE_STREAMS[self.device] = [torch.cuda.Stream(self.device, priority=-1) for _ in range(STREAMS)]
            if not FREE_STREAMS[self.device]:
                raise RuntimeError(f"more than {STREAMS} recorded graphs on {self.device}: run fewer side by side")
            self.stream = FREE_STREAMS[self.device].pop()
        self.graph = torch.cuda.CUDAGraph()
        weakref.finalize(self, ENDED.append, (self.graph, FREE_STREAMS[self.device], self.stream)).atexit = False

    def run(self, work: Work) -> None:
        """Does the work, after all that this thread has asked for and before all that it will."""
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        try:
            with torch.cuda.stream(self.stream):
                work()
        finally:  # what has failed may be freed, and so must not be read any more
            torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def record(self, work: Work) -> Callable[[], None]:
        """Records the work without doing it; returns what does it.

        Unlike ``torch.cuda.graph``, which waits for all that the GPU has to do, of other threads as well: with an epoch
        of many runs in its queue, that takes longer than a short run.
        """
        with RECORDING, torch.cuda.stream(self.stream):
            free_what_ended_graphs_had(self.device)
            pool = torch.cuda.graph_pool_handle()
            # Other threads may go on meanwhile with what a recording thread must not do, such as reading a result.
            self.graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                work()
            finally:
                self.end_recording(pool)
        return self.replay

    def end_recording(self, pool: tuple[int, int]) -> None:
        """Ends it; where that fails, memory is no longer taken from the graph's pool all the same.

        Up to torch 2.11 the allocator would go on to take it from there, and free nothing any more.
        """
        try:
            self.graph.capture_end()
        except Exception:
            with contextlib.suppress(RuntimeError, AttributeError):
                torch._C._cuda_endAllocateToPool(self.device.index, pool)
            raise

    def replay(self) -> None:
        """Does what was recorded, on this thread's stream."""
        self.graph.replay()


STREAMS = 32  # of each priority that torch has on a GPU
Streams = list[torch.cuda.Stream]
FREE_STREAMS: dict[torch.device, Streams] = {}  # that no graph has
# Graphs that nothing replays any more, whose work is done. Python may find that out at any time and in any thread, also
# in the midst of a recording, which the end of a graph would spoil: so it only notes them here.
ENDED: deque[tuple[torch.cuda.CUDAGraph, Streams, torch.cuda.Stream]] = deque()
LARGE_SHARE = 0.1  # of a GPU's memory
IN_USE: dict[torch.device, int] = {}  # bytes of reserved memory that emptying did not free: of graphs that live


def end_graphs() -> None:
    """Ends the graphs that nothing replays any more, and lets others have their streams."""
    with RECORDING:
        while ENDED:
            graph, free, stream = ENDED.popleft()
            try:
                graph.reset()
            finally:
                free.append(stream)


def free_what_ended_graphs_had(device: torch.device) -> None:
    """Gives back memory that nothing uses, if it is much: torch keeps that of ended graphs, and recording takes new."""
    end_graphs()
    unused = unallocated(device) - IN_USE.get(device, 0)
    if unused > LARGE_SHARE * torch.cuda.get_device_properties(device).total_memory:
        torch.cuda.empty_cache()
        IN_USE[device] = unallocated(device)


def unallocated(device: torch.device) -> int:
    """Bytes that torch has reserved and no tensor has: free ones, and those that graphs work in."""
    return torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
