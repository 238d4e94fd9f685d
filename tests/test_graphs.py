"""Which steps are recorded and replayed; on a GPU, that they train as the others do."""

import gc
import weakref
from types import SimpleNamespace

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.errors import out_of_memory
from apg_repro.training import graphs
from apg_repro.training.build import build
from apg_repro.training.graphs import EAGER_STEPS, STREAMS, Eager, Graphed, Side, captured
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


class Stand:
    """In place of ``Side``: what is recorded would find its tensors by their addresses."""

    def __init__(self, device):
        self.n_done = 0

    def run(self, work):
        work()

    def record(self, work):
        return self.replay

    def replay(self):
        self.n_done += 1


def test_what_a_graph_reads_lives_as_long_as_it_is_replayed(monkeypatch):
    monkeypatch.setattr(graphs, "Side", Stand)

    class Model:
        pass

    model = Model()
    alive = weakref.ref(model)
    replay = captured(lambda model=model: model)
    del model
    gc.collect()
    replay()
    assert alive() is not None
    del replay
    gc.collect()
    assert alive() is None


def test_a_recording_that_fails_is_ended_and_its_error_is_not_hidden(monkeypatch):
    ended = []

    class Graph:
        def capture_begin(self, pool, capture_error_mode):
            assert (pool, capture_error_mode) == ((0, 7), "thread_local")

        def capture_end(self):
            ended.append(True)
            raise RuntimeError("the capture was invalidated")

    def work():
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(graphs, "free_what_ended_graphs_had", lambda device: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 7))
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", lambda *told: ended.append(told), raising=False)
    side = object.__new__(Side)
    side.device, side.graph, side.stream = torch.device("cuda:0"), Graph(), None
    with pytest.raises(RuntimeError) as found:
        side.record(work)
    assert ended == [True, (0, (0, 7))]
    assert out_of_memory(found.value)


def test_where_recording_fails_each_batch_is_trained_on_once_all_the_same():
    trained = []

    class Unrecordable(WithoutGpu):
        def record(self):
            raise RuntimeError("operation not permitted when stream is capturing")

    def step(chosen):
        trained.append(chosen.tolist())
        return chosen.sum().float()

    graphed = Unrecordable(step, 2, torch.device("cpu"))
    with pytest.warns(UserWarning, match="one by one.*not permitted when stream is capturing"):
        list(graphed.epoch(torch.arange(31)))
    assert trained == [batch.tolist() for batch in torch.arange(31).split(2)]
    assert not graphed.is_recorded
    assert graphed.n_failed == graphs.TRIES


def test_a_recording_that_another_thread_has_spoilt_is_tried_again_on_another_stream():
    trained, sides = [], []

    class SpoiltOnce(WithoutGpu):
        def record(self):
            sides.append(self.side)
            if self.n_failed == 0:
                raise RuntimeError("the capture was invalidated")
            return super().record()

        def run_aside(self):
            self.side = self.side or object()
            super().run_aside()

    def step(chosen):
        trained.append(chosen.tolist())
        return chosen.sum().float()

    graphed = SpoiltOnce(step, 2, torch.device("cpu"))
    list(graphed.epoch(torch.arange(31)))
    assert trained == [batch.tolist() for batch in torch.arange(31).split(2)]
    assert graphed.is_recorded
    assert graphed.n_replayed == 15 - 2 * EAGER_STEPS
    assert sides[0] is not sides[1]


def test_a_recording_that_lacks_memory_fails_so_that_fewer_run_at_once():
    class Large(WithoutGpu):
        def record(self):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        list(Large(lambda chosen: chosen.sum().float(), 2, torch.device("cpu")).epoch(torch.arange(11)))


def test_python_ends_no_graph_by_itself_as_it_may_do_so_in_the_midst_of_a_recording(monkeypatch):
    done, device = [], torch.device("cuda:0")

    class Graph:
        def reset(self):
            done.append("ended")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(graphs, "FREE_STREAMS", {device: ["one", "two"]})
    monkeypatch.setattr(graphs, "ENDED", type(graphs.ENDED)())
    side = Side(device)
    del side
    gc.collect()
    assert not done
    other = Side(device)  # which is made at a time when nothing is recorded
    assert done == ["ended"]
    assert {other.stream, *graphs.FREE_STREAMS[device]} == {"one", "two"}


def test_a_step_that_fails_is_waited_for_before_its_tensors_can_be_freed(monkeypatch):
    class Stream:
        def __init__(self):
            self.waited_for = []

        def wait_stream(self, other):
            self.waited_for.append(other)

    own = Stream()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: own)
    side = object.__new__(Side)
    side.device, side.stream = torch.device("cuda:0"), Stream()
    with pytest.raises(ZeroDivisionError):
        side.run(lambda: 1 // 0)
    assert (side.stream.waited_for, own.waited_for) == ([own], [side.stream])


@pytest.mark.parametrize(("reserved", "emptied"), [(20, True), (11, False)])
def test_memory_that_ended_graphs_had_is_freed_once_it_is_much(monkeypatch, reserved, emptied):
    done = []
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=100))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append(True))
    monkeypatch.setattr(graphs, "IN_USE", {})
    graphs.free_what_ended_graphs_had(torch.device("cuda:0"))
    assert bool(done) is emptied


def test_memory_of_graphs_that_live_is_not_taken_for_free_again_and_again(monkeypatch):
    """torch counts the memory that a graph works in as reserved and, between replays, not as allocated."""
    done = []
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 60)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=100))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append(True))
    monkeypatch.setattr(graphs, "IN_USE", {})
    for _ in range(3):
        graphs.free_what_ended_graphs_had(torch.device("cuda:0"))
    assert len(done) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [({}, 1e-5), ({"version": "v4"}, 1e-2), ({"version": "v5"}, 1e-2), ({"backbone": "DCN"}, 1e-5)],
)
def test_a_graphed_epoch_equals_an_eager_one(options, tolerance, small):
    """Up to the order of additions, which a GPU does not fix and products of generated weights amplify."""
    graphed, eager = losses_of(options, small, torch.device("cuda"))
    assert graphed == pytest.approx(eager, rel=tolerance)
    assert graphed < 0.69, "it learns"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_graphs_are_recorded_on_streams_of_their_own_which_no_run_can_have():
    runs = {torch.cuda.Stream("cuda").cuda_stream for _ in range(100)}  # more than torch has
    sides = [Side("cuda") for _ in range(STREAMS)]
    streams = {side.stream.cuda_stream for side in sides}
    assert len(streams) == STREAMS
    assert not streams & runs
    with pytest.raises(RuntimeError, match="run fewer side by side"):
        Side("cuda")
    del sides
    assert Side("cuda").stream.cuda_stream in streams


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_each_gpu_records_its_own_graphs_whichever_was_the_first(small):
    for number in (0, 1):
        graphed, eager = losses_of({}, small, torch.device("cuda", number))
        assert graphed == pytest.approx(eager, rel=1e-5)


def losses_of(options, small, device):
    """The mean loss of an epoch with recorded steps, and of the same epoch with eager ones."""
    rows = small.to(device)
    sizes = {"d_embedding": 8, "hidden": (32, 16), "batch_size": 64, "rank": 4, "over": 8}
    config = RunConfig(dataset="small", seed=1, **sizes, **options)
    assert len(rows) % config.batch_size, "an epoch ends with a smaller batch"
    losses = []
    for as_graph in (True, False):
        model = build(config, rows.schema).to(device)
        steps = make_step(model, rows, config)
        assert isinstance(steps, Graphed)
        shuffle = torch.Generator().manual_seed(0)
        used = steps if as_graph else Eager(steps.step, config.batch_size, steps.device)
        epoch = train_epoch(model, used, len(rows), shuffle)
        assert (steps.replay is not None) == as_graph
        losses.append(epoch["train_loss"])
    return losses
