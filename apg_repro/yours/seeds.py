"""The best of each side with n paired seeds, their scores by how often a user or an item occurs, and plain baselines.

A seed fixes start and order of batches for both sides, and the split if it is random. Rows lie in the project's own
store, in the work folder.

Shapes: R rows.
"""

import io
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from apg_repro.catalogue import YOURS
from apg_repro.config import RunConfig
from apg_repro.data.dataset import Dataset
from apg_repro.paths import write_whole
from apg_repro.rows.provenance import commit
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.run.task import origin, trained_row
from apg_repro.training.scoring import auc, predict
from apg_repro.training.train import train_on
from apg_repro.yours.prepare import Encoding, Parts, Prepared, datasets
from apg_repro.yours.read import damaged, stored
from apg_repro.yours.search import SIDES, Budget, Side, config_of

EDGES = (0, 1, 3, 10, 30, 100)  # training rows of a user or an item, from which on a group begins
GROUPS = ("none", "1–2", "3–9", "10–29", "30–99", "100 and more")
MIN_OF_CLASS = 10  # test rows of the rarer class, below which a group has no AUC
BASELINE_SEEDS = 3
STRENGTHS = (0.03, 0.3, 3.0)  # inverse regularisation of the logistic regression


class Seeds:
    """The runs of the paired seeds.

    Args:
        folder: the work folder.
        prepared: the rows.
        todo: how many seeds, on how many rows.
        best: the options of each side.
        device: where to train.
    """

    def __init__(
        self, folder: Path, prepared: Prepared, todo: Budget, best: dict[Side, dict[str, Any]], device: torch.device
    ) -> None:
        self.folder, self.prepared, self.todo, self.device = folder, prepared, todo, device
        self.configs = {
            (side, seed): config_of(side, best[side], seed=seed, rows=todo.rows, backbone=todo.backbone)
            for seed in range(1, todo.seeds + 1)
            for side in SIDES
        }
        self.store = Store(folder)

    def model_path(self, config: RunConfig) -> Path:
        """Where the weights of a run of seed 1 are kept."""
        return self.folder / "models" / f"{config.id}.pt"

    @property
    def rows(self) -> dict[tuple[Side, int], TrainedRow]:
        """The rows that are there, by side and seed."""
        found = self.store.runs("full", YOURS)
        return {key: found[config.id] for key, config in self.configs.items() if config.id in found}

    @property
    def missing(self) -> list[tuple[Side, int]]:
        """The runs that are still to be done, seed by seed."""
        rows = self.rows
        return [
            key for key, config in self.configs.items()
            if key not in rows or (key[1] == 1 and not self.model_path(config).exists())
        ]  # fmt: skip

    @property
    def paired(self) -> list[int]:
        """The seeds that both sides have."""
        rows = self.rows
        return [seed for seed in range(1, self.todo.seeds + 1) if all((side, seed) in rows for side in SIDES)]

    def run(self, until: float = math.inf, on_run: Callable[[], object] = lambda: None) -> None:
        """Does what is missing.

        Args:
            until: a time of ``time.monotonic``, after which no seed begins, once there are three.
            on_run: called after every run.
        """
        missing = self.missing
        for seed in dict.fromkeys(seed for _, seed in missing):
            if time.monotonic() > until and len(self.paired) >= 3:
                break
            encoding, split, parts = datasets(self.prepared, seed, self.todo.rows, self.device)
            for side in SIDES:
                if (side, seed) in missing:
                    self.train(self.configs[side, seed], encoding, split, parts)
                    on_run()

    def train(
        self, config: RunConfig, encoding: Encoding, split: Parts, parts: tuple[Dataset, Dataset, Dataset]
    ) -> None:
        """Does one run, and stores its row; of seed 1, the weights too."""
        result, model = train_on(config, parts)
        if config.seed == 1:
            path = self.model_path(config)
            path.parent.mkdir(exist_ok=True)
            weights = io.BytesIO()  # torch's own writing to files ends the process where the disk is full
            torch.save({name: value.cpu() for name, value in model.state_dict().items()}, weights)
            write_whole(path, weights.getvalue())
        result.observed["early_stopping"] = by_frequency(encoding.prepared, split, predict(model, parts[2]))
        head, dirty = commit()
        where = origin(str(self.device), parts[0].checksum, head, dirty)
        self.store.append("full", trained_row(config, result, 0, where))


def by_frequency(prepared: Prepared, split: Parts, logits: torch.Tensor) -> dict[str, Any]:
    """Test AUC by how many training rows a test row's user or item has: {"user": {"auc", "rows"}, "item": …}."""
    rows, found = prepared.rows, dict[str, Any]()
    train, _, test = split
    labels = torch.from_numpy(rows.labels[test])
    for who in ("user", "item"):
        name = prepared.field(getattr(prepared.columns, who))
        if not name:
            continue
        codes = rows.fields[:, rows.schema.column(name)]
        count = np.bincount(codes[train], minlength=int(codes.max()) + 1)[codes[test]]
        group = np.searchsorted(EDGES, count, side="right") - 1
        group = torch.from_numpy(np.where(codes[test] == 0, len(EDGES), group))  # rows that lack it are in no group
        aucs: list[float | None] = []
        for number in range(len(EDGES)):
            inside = group == number
            positive = int(labels[inside].sum())
            enough = min(positive, int(inside.sum()) - positive) >= MIN_OF_CLASS
            aucs.append(auc(logits.cpu()[inside], labels[inside]) if enough else None)
        found[who] = {"auc": aucs, "rows": np.bincount(group, minlength=len(EDGES))[: len(EDGES)].tolist()}
    return found


def baselines(prepared: Prepared, todo: Budget, path: Path, on_seed: Callable[[], object]) -> dict[str, list[Any]]:
    """Test scores of a logistic regression and of gradient boosting, on the first seeds' splits.

    Returns:
        Baseline → one {"seed", "auc", "logloss"} per seed; AUC from 0 to 1, logloss in nats.
    """
    found: dict[str, list[Any]] = stored(path) if path.exists() else {}
    if not all(isinstance(scores, list) and all(map(is_score, scores)) for scores in found.values()):
        raise damaged(path, "it holds something else than scores")
    for seed in range(1, min(BASELINE_SEEDS, todo.seeds) + 1):
        if not any(score["seed"] == seed for scores in found.values() for score in scores):
            _, _, parts = datasets(prepared, seed, todo.rows, torch.device("cpu"))
            for name, scores in {"logistic regression": logistic(parts), "gradient boosting": boosted(parts)}.items():
                truth = parts[2].labels.numpy()
                score = {
                    "seed": seed,
                    "auc": float(roc_auc_score(truth, scores)),
                    "logloss": float(log_loss(truth, scores)),
                }
                found.setdefault(name, []).append(score)
            write_whole(path, json.dumps(found))
        on_seed()
    return found


def is_score(found: Any) -> bool:
    """Whether this is what ``baselines`` keeps of a seed."""
    return isinstance(found, dict) and {"seed", "auc", "logloss"} <= found.keys()


def logistic(parts: tuple[Dataset, Dataset, Dataset]) -> np.ndarray:
    """Test probabilities of a logistic regression on every id and number; its strength is chosen on validation rows."""
    one_hot: Any = OneHotEncoder(handle_unknown="ignore").fit(parts[0].fields.numpy())
    inputs = [
        sparse.hstack([one_hot.transform(part.fields.numpy()), sparse.csr_matrix(part.numbers.numpy())]).tocsr()
        for part in parts
    ]
    best, chosen = -1.0, np.empty(0)
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=1000, tol=1e-3).fit(inputs[0], parts[0].labels.numpy())
        score = roc_auc_score(parts[1].labels.numpy(), model.decision_function(inputs[1]))
        if score > best:
            best, chosen = score, model.predict_proba(inputs[2])[:, 1]
    return chosen


def boosted(parts: tuple[Dataset, Dataset, Dataset]) -> np.ndarray:
    """Test probabilities of gradient boosting on numbers and on the mean label of every id, cross-fitted."""
    folds: Any = StratifiedKFold(5, shuffle=True, random_state=0)
    encoder: Any = TargetEncoder(target_type="binary", cv=folds)
    truth = parts[0].labels.numpy()
    encoded = [
        encoder.fit_transform(parts[0].fields.numpy(), truth),
        *(encoder.transform(p.fields.numpy()) for p in parts[1:]),
    ]
    first, valid, test = (np.hstack([e, p.numbers.numpy()]) for e, p in zip(encoded, parts, strict=True))
    options: dict[str, Any] = {"max_iter": 500, "learning_rate": 0.05, "early_stopping": True, "random_state": 0}
    model = HistGradientBoostingClassifier(**options)
    model.fit(first, truth, X_val=valid, y_val=parts[1].labels.numpy())
    return model.predict_proba(test)[:, 1]
