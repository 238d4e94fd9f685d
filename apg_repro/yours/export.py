"""The model to take, as programs that need neither this package nor its training, with what is needed to call them.

``model.pt2`` (torch.export) and ``model.onnx`` take fields (R, F), whole numbers of 32 bits, and numbers (R, C),
float32 with NaN where a value is missing; they give the probability of the label, (R,). R may be any number.
``vocabulary.json`` has the ids; ``score.py`` is a short program that scores a file of new rows.

Shapes: R rows, F fields, C numbers.
"""

import inspect
import io
import json
import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.nn.apg import fold
from apg_repro.paths import write_whole
from apg_repro.training.build import build
from apg_repro.yours.columns import INFINITE
from apg_repro.yours.prepare import MISSING, RARE, Encoding, standardised
from apg_repro.yours.read import GZIP, Form, plain
from apg_repro.yours.read import MISSING as NO_VALUE

FILES = ("model.pt2", "model.onnx", "vocabulary.json", "score.py")
READ = {
    "text": 'pa.Table.from_pandas(pd.read_csv(file, sep={delimiter!r}, dtype="string", keep_default_na=False))',
    "json": "pyarrow.json.read_json(file)",
    "parquet": "pyarrow.parquet.read_table(file)",
}
SCORE = '''"""Scores new rows: python score.py FILE > scored.csv. It needs numpy, pandas, pyarrow and onnxruntime."""
import gzip, json, pathlib, sys, zlib
import numpy as np, onnxruntime, pandas as pd, pyarrow as pa, pyarrow.compute as pc, pyarrow.json, pyarrow.parquet
here = pathlib.Path(__file__).parent
known = json.loads((here / "vocabulary.json").read_text(encoding="utf-8"))
MISSING = known["none"]


{plain}

if len(sys.argv) != 2:
    sys.exit("error: name one file of rows: python score.py new_rows.csv > scored.csv")
try:
    with open(sys.argv[1], "rb") as file:
        is_packed = file.read(2) == {gzip}
    with (gzip.open if is_packed else open)(sys.argv[1], "rb") as file:
        rows = {read}
except (OSError, EOFError, ValueError, zlib.error) as error:
    reason = " ".join(str(error).split())
    sys.exit(f"error: {{sys.argv[1]}} cannot be read ({{reason}}): give a file like the one that was trained on")
rows = rows.rename_columns([name.strip() for name in rows.column_names])
lacking = [name for name in [*known["ids"], *known["numbers"]] if name not in rows.column_names]
if lacking:
    needs, has = ", ".join(lacking), ", ".join(rows.column_names)
    sys.exit(f"error: {{sys.argv[1]}} lacks {{needs}}, which the model needs; it has {{has}}")
text = {{name: plain(rows[name]).to_pandas() for name in [*known["ids"], *known["numbers"]]}}
for name, one in known["ids"].items():
    if (share := (text[name].notna() & ~text[name].isin(list(one))).mean()) > 0.5:
        print(f"{{share:.0%}} of the rows have a {{name}} that training never saw or saw too rarely", file=sys.stderr)
ids = [text[name].map(one).fillna({rare}).where(text[name].notna(), {missing}) for name, one in known["ids"].items()]
numbers = [pd.to_numeric(text[n], errors="coerce").to_numpy("float64", na_value=np.nan) for n in known["numbers"]]
numbers = [np.where(np.abs(one) < {infinite}, one, np.nan).astype("float32") for one in numbers]
inputs = {{"fields": np.stack(ids, 1).astype("int32"), **({{"numbers": np.stack(numbers, 1)}} if numbers else {{}})}}
rows = rows.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
rows["probability"] = onnxruntime.InferenceSession(here / "model.onnx").run(None, inputs)[0]
rows.to_csv(sys.stdout, index=False)
'''


class Served(nn.Module):
    """From ids and raw numbers to a probability: numbers are standardised within, v5 is folded."""

    mean: torch.Tensor
    scale: torch.Tensor
    lacking: torch.Tensor

    def __init__(self, model: nn.Module, encoding: Encoding) -> None:
        super().__init__()
        self.model = fold(deepcopy(model)).eval()
        self.register_buffer("mean", torch.from_numpy(encoding.mean))
        self.register_buffer("scale", torch.from_numpy(encoding.scale))
        self.register_buffer("lacking", torch.tensor(encoding.prepared.lacking, dtype=torch.long))

    def forward(
        self, fields: Int[torch.Tensor, "R F"], numbers: Float[torch.Tensor, "R C"]
    ) -> Float[torch.Tensor, " R"]:
        missing = numbers.isnan().index_select(1, self.lacking).float()
        numbers = torch.cat([standardised(numbers, self.mean, self.scale), missing], dim=1)
        return self.model(fields, numbers).sigmoid()


class ServedIds(nn.Module):
    """``Served`` for a file without numbers."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = fold(deepcopy(model)).eval()

    def forward(self, fields: Int[torch.Tensor, "R F"]) -> Float[torch.Tensor, " R"]:
        return self.model(fields, fields.new_zeros((fields.shape[0], 0), dtype=torch.float32)).sigmoid()


def trained(config: RunConfig, encoding: Encoding, weights: Path) -> nn.Module:
    """The model of a run, with its weights, on the CPU.

    Raises:
        UserError: the file of its weights is damaged.
    """
    model = build(config, encoding.schema)
    try:
        if not zipfile.is_zipfile(weights):
            raise ValueError("it is not a file that torch saved")
        model.load_state_dict(torch.load(weights, weights_only=True))
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"{weights} is damaged: delete it, and the same command trains that model again") from error
    return model.eval()


def served(model: nn.Module, encoding: Encoding) -> nn.Module:
    """What is exported."""
    return Served(model, encoding) if encoding.prepared.n_numbers else ServedIds(model)


def export(model: nn.Module, encoding: Encoding, folder: Path, form: Form = "text", delimiter: str = ",") -> None:
    """Writes the four ``FILES``.

    Args:
        model: on the CPU.
        folder: is made if it is not there.
        form, delimiter: of the files that ``score.py`` will read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = encoding.prepared.columns
    program, names = served(model, encoding), ["fields"] + ["numbers"] * bool(columns.numbers)
    example = [torch.zeros(3, len(columns.fields), dtype=torch.int32)]
    example += [torch.zeros(3, len(columns.numbers))] if columns.numbers else []
    shapes = tuple({0: torch.export.Dim("rows")} for _ in names)
    with torch.no_grad(), quiet():
        exported = torch.export.export(program, tuple(example), dynamic_shapes=shapes)
        written = io.BytesIO()  # torch's own writing to files ends the process where the disk is full
        torch.export.save(exported, written)
        write_whole(folder / "model.pt2", written.getvalue())
        torch.onnx.export(
            exported, tuple(example), folder / "model.onnx", input_names=names, output_names=["probability"],
            dynamo=True, verbose=False, external_data=False,
        )  # fmt: skip
    write_whole(folder / "vocabulary.json", vocabulary(encoding))
    write_whole(folder / "score.py", score(form, delimiter))


def score(form: Form, delimiter: str) -> str:
    """The program ``score.py``: it makes text of values by the very function that training makes it by."""
    read = READ[form].format(delimiter=delimiter)
    return SCORE.format(
        plain=inspect.getsource(plain), read=read, gzip=GZIP, rare=RARE, missing=MISSING, infinite=INFINITE
    )


def vocabulary(encoding: Encoding) -> str:
    """The ids of every field's values, and the names of the numbers, in the order of the programs' inputs, as JSON."""
    prepared, ids = encoding.prepared, {}
    for name, values in prepared.values.items():
        known = encoding.ids[name][1:]
        ids[prepared.names[name]] = {value: int(one) for value, one in zip(values, known, strict=True) if one != RARE}
    numbers = list(prepared.columns.numbers)
    what = {"ids": ids, "numbers": numbers, "missing": MISSING, "rare or unseen": RARE, "none": list(NO_VALUE)}
    return json.dumps(what, ensure_ascii=False) + "\n"


@contextmanager
def quiet() -> Iterator[None]:
    """Silences what the exporters say about their own parts."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
