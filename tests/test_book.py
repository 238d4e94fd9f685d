"""What the book's pages say in code is run, and what they say of it holds."""

import re

import pytest
import torch

from apg_repro.nn import apg
from apg_repro.paths import ROOT
from apg_repro.site import web_page_of

USE = ROOT / "book" / "use.md"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The names that the page's blocks leave behind, run in order and in one namespace."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", USE.read_text(), re.MULTILINE | re.DOTALL):
        exec(compile(block, USE.name, "exec"), names)
    return names


def test_the_page_on_using_the_layer_is_true(page):
    """Shapes as its comments say, a loss that falls, folding and export without a change, costs as in its table."""
    assert page["logits"].shape == (1024, 1)
    assert page["scores"].shape == (8,)
    assert page["hidden"].shape == (1024, 64)

    assert page["losses"][-1] < 0.5 * page["losses"][0]
    assert max(page["losses"]) == page["losses"][0], "it only falls from where it starts"

    assert page["difference"] < 1e-5
    with torch.no_grad():
        expected = page["model"](page["x"])
        assert torch.allclose(page["again"](page["x"]), expected, atol=1e-5)
        assert torch.allclose(page["scores_of_three"], expected[:3], atol=1e-5)
    assert not any(isinstance(module, apg.ApgV5) for module in page["served"].modules())

    n, m, d, k, p = (page[name] for name in "NMDKP")
    assert page["costs"] == {
        "linear": n * m + n,
        "v1": n * m * d + n + n * m,
        "v2": (n * k + m * k + k * k) * d + n + n * k + m * k + k * k,
        "v4": k * k * d + n * k + m * k + n + k * k,
        "v5": k * k * d + (n + m + 2 * k) * p + n + k * k,
    }


def test_a_static_start_ignores_z_and_rows_with_equal_z_share_weights(page):
    """Before training, z changes nothing; afterwards, only rows with other z have other weights."""
    layer = apg.ApgV5(6, 5, rank=2, over=4, d_condition=3, init="static_start")
    x, z = torch.randn(2, 6), torch.randn(2, 3)
    assert torch.equal(layer(x, z), layer(x, z.flip(0)))
    layer = apg.ApgV5(6, 5, rank=2, over=4, d_condition=3)
    assert not torch.allclose(layer(x, z), layer(x, z.flip(0)))
    same, z_same = x[:1].expand(2, -1), z[:1].expand(2, -1)
    assert torch.equal(*layer(same, z_same))


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("https://example.org/someone/apg.git", "https://example.org/someone/apg"),
        ("https://someone:secret@example.org/someone/apg", "https://example.org/someone/apg"),
        ("git@example.org:someone/apg.git", "https://example.org/someone/apg"),
        ("ssh://git@example.org/someone/apg/", "https://example.org/someone/apg"),
        ("/home/someone/apg.git", ""),
        ("file:///home/some.one/apg", ""),
        ("C:/users/apg", ""),
        ("", ""),
    ],
)
def test_the_book_links_to_the_repository_that_it_was_built_from_if_that_is_on_the_web(remote, page):
    assert web_page_of(remote) == page
