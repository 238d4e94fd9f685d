"""How much memory a run needs, predicted from the shapes of its model: nothing is trained, and no data are read."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from apg_repro.config import RunConfig
from apg_repro.data.gate import load_manifest, schema_of
from apg_repro.data.schema import Schema
from apg_repro.training.build import build
from apg_repro.training.scoring import EVALUATION_BATCH

# Weights, their gradients, Adam's two moments, and the weights of the best epoch.
COPIES_OF_WEIGHTS = 5


def predicted_bytes(config: RunConfig, schema: Schema, evaluated: int = EVALUATION_BATCH) -> int:
    """About how many bytes a run holds at once, besides its rows, in single precision.

    What a step keeps for its backward pass is asked of autograd itself; the largest part of it is there twice, as a
    gradient. On a GPU the next step's memory stays reserved while the model is evaluated on more rows at once; a row
    needs no more there than in a step, and is taken to need as much. The model has no
    storage, but for one with domains, whose shapes depend on the rows: it is built, and asked with random rows.

    Args:
        evaluated: rows at once; 0 for training alone.
    """
    device = "meta" if config.domain is None else "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(device):
        model = build(config, schema)
        fields = torch.stack([torch.randint(size, (config.batch_size,)) for size in schema.fields.values()], dim=1)
        numbers = torch.zeros(config.batch_size, len(schema.numbers))
        labels = torch.zeros(config.batch_size)
    n_weights = sum(weight.nbytes for weight in model.parameters())
    stored = {weight.untyped_storage()._cdata for weight in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in stored:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        F.binary_cross_entropy_with_logits(model(fields, numbers), labels)
    sizes = [storage.nbytes() for storage in kept.values()]
    a_step = sum(sizes) + max(sizes, default=0)
    return COPIES_OF_WEIGHTS * n_weights + a_step + a_step * evaluated // config.batch_size


WITHOUT_SHAPE = {"seed", "start_seed", "learning_rate", "weight_decay", "max_epochs", "patience"}


def predicted_by_run(configs: Sequence[RunConfig]) -> list[int]:
    """``predicted_bytes`` of each of these runs, the largest first; runs of the same shapes are asked once.

    Raises:
        UserError: a data set is not prepared; see ``build``.
    """
    known: dict[tuple[str, ...], int] = {}
    found = []
    for config in configs:
        key = tuple(str(value) for name, value in config.as_dict().items() if name not in WITHOUT_SHAPE)
        if key not in known:
            known[key] = predicted_bytes(config, schema_for(config))
        found.append(known[key])
    return sorted(found, reverse=True)


def schema_for(config: RunConfig) -> Schema:
    """The schema of a run's data, from their manifest alone."""
    return schema_of(load_manifest(config.dataset), config.features)
