"""Self-attention among the fields of an instance, as AutoInt and DIFM use it.

Shapes: B batch, J embedded features, E size of each, D size of the condition, H heads, A size of a head.
"""

from math import sqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import nn

from apg_repro.nn.dense import MakeDense


class FieldAttention(nn.Module):
    """e'_j = ReLU(W_res e_j + [head_1, …, head_H]),  head_h = Σ_k softmax_k(<W_Q e_j, W_K e_k>) W_V e_k

    (Song et al., CIKM 2019, Eq. 5 to 8). ``scaled`` divides the products by sqrt(A), as DIFM does (Lu et al.,
    IJCAI 2020) and AutoInt does not. Each projection is a dense layer from ``make_projection``, static or APG, applied
    to every field, all heads at once. It has a bias, as every dense layer here, though the papers' have none; that of
    the keys adds the same to all that one softmax compares, and so changes nothing. A generated projection takes each
    field for an instance: self-wise its condition is that field's embedding, else the instance's z.
    """

    def __init__(self, d_in: int, n_heads: int, d_head: int, make_projection: MakeDense, scaled: bool = False) -> None:
        super().__init__()
        self.n_heads, self.d_head = n_heads, d_head
        self.scale = 1 / sqrt(d_head) if scaled else 1.0
        d_out = n_heads * d_head
        self.query = make_projection(d_in, d_out)
        self.key = make_projection(d_in, d_out)
        self.value = make_projection(d_in, d_out)
        self.residual = make_projection(d_in, d_out)

    def forward(
        self, embedded: Float[torch.Tensor, "B J E"], z: Float[torch.Tensor, "B D"] | None
    ) -> Float[torch.Tensor, "B J O"]:
        n_fields = embedded.shape[1]
        x = embedded.flatten(0, 1)  # (B J, E)
        z = None if z is None else z.repeat_interleave(n_fields, dim=0)
        query, key, value = (
            project(x, z).unflatten(1, (self.n_heads, self.d_head)).unflatten(0, (-1, n_fields)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )  # (B, H, J, A) each
        heads = F.scaled_dot_product_attention(query, key, value, scale=self.scale)  # (B, H, J, A)
        heads = heads.transpose(1, 2).flatten(2)  # (B, J, H A)
        return F.relu(heads + self.residual(x, z).unflatten(0, (-1, n_fields)))
