"""The Triton kernels of ``nn.fused``; importing this module needs Triton.

    y = U (S_i h_i) + b with h_i = V x_i and S_i = reshape(G(z_i)), where G(z) = Wg z + bg

Forward: ``project`` sums parts of V x and Wg z, each over a span of the inputs; ``expand`` adds the parts up, forms
S_i h_i and multiplies it by U. Backward: ``outputs_backward`` reads the gradient of y once and sums parts of
dhs = Uᵀ dy, dU and db; ``rows_backward`` adds dhs up and forms dS = dhs ⊗ h and dh = Sᵀ dhs; ``inputs_backward`` makes
dx, dz and parts of dV, dWg and dbg; ``add_parts`` adds up the parts of all gradients of weights. There are no atomic
operations: sums are formed in the same order every time.

Every kernel starts a grid of programs: the first axis is over blocks of rows, the second over blocks of inputs or
outputs. That second axis is what keeps a GPU busy, as one batch has too few rows for that.

Shapes: B batch (``n_rows``), I inputs (``n_in``), O outputs (``n_out``), D size of the condition, K rank. Tiles whose
width is K are as wide as the next power of two, at least ``K_PAD`` = 4, or ``K_DOT`` = 16 where they enter a matrix
product; what is beyond K is zero.
"""
# What is known when a kernel is compiled is written in capitals, as is usual in Triton, and has an `if` of its own.
# ruff: noqa: N803, N806, SIM102

import os
from typing import no_type_check  # the arguments of a kernel are not those of a Python function

import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]

INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")


@triton.jit
@no_type_check
def dot(a, b, PRECISION: tl.constexpr):
    """a @ b, summed in float32; the factors are float32, or rounded to TF32 or bfloat16."""
    if PRECISION != "bf16":
        product = tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision=PRECISION)
    elif INTERPRETED:  # NumPy has no bfloat16; products of two such numbers are exact in float32
        product = tl.dot(a.to(tl.bfloat16).to(tl.float32), b.to(tl.bfloat16).to(tl.float32), input_precision="ieee")
    else:
        product = tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16))
    return product


@triton.jit
@no_type_check
def load_rows(tensor, rows, columns, row_stride, column_stride, n_rows, n_columns):
    """A tile of a matrix with one row per instance, zero outside of the matrix."""
    at = rows.to(tl.int64)[:, None] * row_stride + columns[None, :] * column_stride
    return tl.load(tensor + at, mask=(rows < n_rows)[:, None] & (columns < n_columns)[None, :], other=0.0)


@triton.jit
@no_type_check
def load_transposed(matrix, rows, columns, n_rows, n_columns):
    """A tile of the transpose of a contiguous (n_rows, n_columns) matrix: (columns, rows)."""
    mask = (columns < n_columns)[:, None] & (rows < n_rows)[None, :]
    return tl.load(matrix + rows.to(tl.int64)[None, :] * n_columns + columns[:, None], mask=mask, other=0.0)


@triton.jit
@no_type_check
def partial_product(
    x, x_row, x_column, weight, rows, columns, first, n_rows, n_in, n_columns,
    SPAN: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """x Wᵀ over the inputs from ``first`` to ``first + SPAN``."""
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, SPAN, STEP):
        inputs = first + start + tl.arange(0, STEP)
        xs = load_rows(x, rows, inputs, x_row, x_column, n_rows, n_in)
        total += dot(xs, load_transposed(weight, columns, inputs, n_columns, n_in), PRECISION)
    return total


@triton.jit
@no_type_check
def store_part(parts, part, values, rows, columns, n_rows, n_columns):
    """Writes a tile of part number ``part``; the parts are (parts, n_rows, n_columns)."""
    at = (part * n_rows + rows).to(tl.int64)[:, None] * n_columns + columns[None, :]
    tl.store(parts + at, values, mask=(rows < n_rows)[:, None] & (columns < n_columns)[None, :])


@triton.jit(do_not_specialize=["n_rows"])  # a smaller last batch compiles nothing new
@no_type_check
def project(
    x, z, v, g_weight, h_parts, s_parts, n_rows, n_in, d, x_row, x_column, z_row, z_column,
    K: tl.constexpr, SELF_WISE: tl.constexpr, X_PARTS: tl.constexpr, Q_BLOCKS: tl.constexpr, X_SPAN: tl.constexpr,
    Z_SPAN: tl.constexpr, ROWS: tl.constexpr, STEP: tl.constexpr, K_DOT: tl.constexpr, BLOCK_Q: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Parts of h = V x, (X_PARTS, B, K), and of Wg z, (parts, B, K²), each over a span of inputs.

    A program of a self-wise layer, where z is x, reads its tiles of x once for both. Elsewhere a program works for
    either: those for h come first on the second axis of the grid.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    task = tl.program_id(1)
    ks = tl.arange(0, K_DOT)
    if SELF_WISE:
        part, q_block = task // Q_BLOCKS, task % Q_BLOCKS
        qs = q_block * BLOCK_Q + tl.arange(0, BLOCK_Q)
        h = tl.zeros((ROWS, K_DOT), dtype=tl.float32)
        s = tl.zeros((ROWS, BLOCK_Q), dtype=tl.float32)
        for start in range(0, X_SPAN, STEP):
            inputs = part * X_SPAN + start + tl.arange(0, STEP)
            xs = load_rows(x, rows, inputs, x_row, x_column, n_rows, n_in)
            h += dot(xs, load_transposed(v, ks, inputs, K, n_in), PRECISION)
            s += dot(xs, load_transposed(g_weight, qs, inputs, K * K, n_in), PRECISION)
        store_part(s_parts, part, s, rows, qs, n_rows, K * K)
        if q_block == 0:
            store_part(h_parts, part, h, rows, ks, n_rows, K)
    elif task < X_PARTS:
        h = partial_product(
            x, x_row, x_column, v, rows, ks, task * X_SPAN, n_rows, n_in, K, X_SPAN, STEP, PRECISION, ROWS, K_DOT
        )
        store_part(h_parts, task, h, rows, ks, n_rows, K)
    else:
        part, q_block = (task - X_PARTS) // Q_BLOCKS, (task - X_PARTS) % Q_BLOCKS
        qs = q_block * BLOCK_Q + tl.arange(0, BLOCK_Q)
        s = partial_product(
            z, z_row, z_column, g_weight, rows, qs, part * Z_SPAN, n_rows, d, K * K, Z_SPAN, STEP, PRECISION,
            ROWS, BLOCK_Q,
        )  # fmt: skip
        store_part(s_parts, part, s, rows, qs, n_rows, K * K)


@triton.jit(do_not_specialize=["n_rows"])
@no_type_check
def expand(
    h_parts, s_parts, g_bias, u, bias, y, h, s, hs, n_rows, n_out,
    K: tl.constexpr, X_PARTS: tl.constexpr, Z_PARTS: tl.constexpr, SAVE: tl.constexpr, ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr, K_DOT: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """y = U (S h) + b, (B, O); if SAVE, also h, (B, K), S, (B, K²), and S h, (B, K), which the backward needs."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    out_block = tl.program_id(1)
    outs = out_block * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    is_row = rows < n_rows
    ks = tl.arange(0, K_DOT)
    product = tl.zeros((ROWS, K_DOT), dtype=tl.float32)  # S h
    for first in tl.static_range(0, K, BLOCK_K):
        cs = first + tl.arange(0, BLOCK_K)
        is_h = is_row[:, None] & (cs < K)[None, :]
        at_h = rows.to(tl.int64)[:, None] * K + cs[None, :]
        h_tile = tl.zeros((ROWS, BLOCK_K), dtype=tl.float32)
        for part in tl.static_range(X_PARTS):
            h_tile += tl.load(h_parts + part * n_rows.to(tl.int64) * K + at_h, mask=is_h, other=0.0)
        is_entry = (ks < K)[:, None] & (cs < K)[None, :]
        entry = ks[:, None] * K + cs[None, :]
        is_s = is_row[:, None, None] & is_entry[None, :, :]
        at_s = rows.to(tl.int64)[:, None, None] * (K * K) + entry[None, :, :]
        s_bias = tl.load(g_bias + entry, mask=is_entry, other=0.0).to(tl.float32)
        s_tile = tl.zeros((ROWS, K_DOT, BLOCK_K), dtype=tl.float32) + s_bias[None, :, :]
        for part in tl.static_range(Z_PARTS):
            s_tile += tl.load(s_parts + part * n_rows.to(tl.int64) * (K * K) + at_s, mask=is_s, other=0.0)
        product += tl.sum(s_tile * h_tile[:, None, :], axis=2)
        if SAVE:
            if out_block == 0:
                tl.store(h + at_h, h_tile, mask=is_h)
                tl.store(s + at_s, s_tile, mask=is_s)
    if SAVE:
        if out_block == 0:
            store_part(hs, 0, product, rows, ks, n_rows, K)
    total = dot(product, load_transposed(u, outs, ks, n_out, K), PRECISION)
    total += tl.load(bias + outs, mask=outs < n_out, other=0.0).to(tl.float32)[None, :]
    store_part(y, 0, total.to(y.dtype.element_ty), rows, outs, n_rows, n_out)


@triton.jit(do_not_specialize=["n_rows", "group_rows"])
@no_type_check
def outputs_backward(
    dy, u, hs, dhs_parts, du_parts, db_parts, n_rows, n_out, dy_row, dy_column, group_rows, part_stride,
    K: tl.constexpr, NEED_INPUTS: tl.constexpr, NEED_U: tl.constexpr, NEED_BIAS: tl.constexpr, ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr, K_DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """From the gradient of y: parts of dhs, (blocks of outputs, B, K), and of dU and db, one per group of rows."""
    group, out_block = tl.program_id(0), tl.program_id(1)
    outs = out_block * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    ks = tl.arange(0, K_DOT)
    du = tl.zeros((BLOCK_OUT, K_DOT), dtype=tl.float32)
    db = tl.zeros((BLOCK_OUT,), dtype=tl.float32)
    for start in range(0, group_rows, ROWS):
        rows = group * group_rows + start + tl.arange(0, ROWS)
        dys = load_rows(dy, rows, outs, dy_row, dy_column, n_rows, n_out)
        if NEED_INPUTS:
            us = load_rows(u, outs, ks, K, 1, n_out, K)
            store_part(dhs_parts, out_block, dot(dys, us, PRECISION), rows, ks, n_rows, K)
        if NEED_U:
            du += dot(tl.trans(dys), load_rows(hs, rows, ks, K, 1, n_rows, K), PRECISION)
        if NEED_BIAS:
            db += tl.sum(dys.to(tl.float32), axis=0)
    part = group.to(tl.int64) * part_stride
    if NEED_U:
        store_part(du_parts + part, 0, du, outs, ks, n_out, K)
    if NEED_BIAS:
        tl.store(db_parts + part + outs, db, mask=outs < n_out)


@triton.jit(do_not_specialize=["n_rows"])
@no_type_check
def rows_backward(
    dhs_parts, h, s, dh, ds, n_rows,
    K: tl.constexpr, OUT_PARTS: tl.constexpr, NEED_H: tl.constexpr, NEED_S: tl.constexpr, ROWS: tl.constexpr,
    K_PAD: tl.constexpr,
):  # fmt: skip
    """Adds up the parts of dhs; dh = Sᵀ dhs, (B, K), and dS = dhs ⊗ h, (B, K²)."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    ks = tl.arange(0, K_PAD)
    is_row = rows < n_rows
    at = rows.to(tl.int64)[:, None] * K + ks[None, :]
    mask = is_row[:, None] & (ks < K)[None, :]
    dhs = tl.zeros((ROWS, K_PAD), dtype=tl.float32)
    for part in tl.static_range(OUT_PARTS):
        dhs += tl.load(dhs_parts + part * n_rows.to(tl.int64) * K + at, mask=mask, other=0.0)
    at_s = rows.to(tl.int64)[:, None, None] * (K * K) + (ks[:, None] * K + ks[None, :])[None, :, :]
    is_s = is_row[:, None, None] & ((ks < K)[:, None] & (ks < K)[None, :])[None, :, :]
    if NEED_H:
        tl.store(dh + at, tl.sum(tl.load(s + at_s, mask=is_s, other=0.0) * dhs[:, :, None], axis=1), mask=mask)
    if NEED_S:
        tl.store(ds + at_s, dhs[:, :, None] * tl.load(h + at, mask=mask, other=0.0)[:, None, :], mask=is_s)


@triton.jit
@no_type_check
def product_by_rows(
    gradient, weight, rows, columns, n_rows, n_columns,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """A tile of gradient @ weight, for (n_rows, WIDTH) and (WIDTH, n_columns)."""
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, WIDTH, STEP):
        inner = start + tl.arange(0, STEP)
        left = load_rows(gradient, rows, inner, WIDTH, 1, n_rows, WIDTH)
        total += dot(left, load_rows(weight, inner, columns, n_columns, 1, WIDTH, n_columns), PRECISION)
    return total


@triton.jit
@no_type_check
def product_over_rows(
    gradient, x, x_row, x_column, first, group_rows, entries, columns, n_rows, n_columns,
    WIDTH: tl.constexpr, ENTRIES: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """A tile of gradientᵀ @ x, for (n_rows, WIDTH) and (n_rows, n_columns), over ``group_rows`` rows."""
    total = tl.zeros((ENTRIES, COLUMNS), dtype=tl.float32)
    for start in range(0, group_rows, STEP):
        rows = first + start + tl.arange(0, STEP)
        left = load_transposed(gradient, rows, entries, n_rows, WIDTH)
        total += dot(left, load_rows(x, rows, columns, x_row, x_column, n_rows, n_columns), PRECISION)
    return total


@triton.jit(do_not_specialize=["n_rows", "group_rows", "n_groups", "dx_end", "dv_end", "dz_end", "dw_end"])
@no_type_check
def inputs_backward(
    x, z, v, g_weight, dh, ds, dx, dz, dv_parts, dw_parts, dg_parts, n_rows, n_in, d, x_row, x_column, z_row, z_column,
    group_rows, n_groups, part_stride, dx_end, dv_end, dz_end, dw_end,
    K: tl.constexpr, SELF_WISE: tl.constexpr, ROWS: tl.constexpr, BLOCK_X: tl.constexpr, BLOCK_Z: tl.constexpr,
    STEP: tl.constexpr, K_DOT: tl.constexpr, BLOCK_Q: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """dx = Vᵀ dh, dz = Wgᵀ dS, and parts of dV, dWg and dbg, one per group of rows.

    A program makes a tile of one of them: the first ``dx_end`` one of dx, those up to ``dv_end`` one of dV, and so on.
    In a self-wise layer, where z is x, dz is added to dx.
    """
    Q: tl.constexpr = K * K
    task = tl.program_id(0)
    if task < dx_end:
        rows = task // tl.cdiv(n_in, BLOCK_X) * ROWS + tl.arange(0, ROWS)
        columns = task % tl.cdiv(n_in, BLOCK_X) * BLOCK_X + tl.arange(0, BLOCK_X)
        tile = product_by_rows(dh, v, rows, columns, n_rows, n_in, K, ROWS, BLOCK_X, STEP, PRECISION)
        if SELF_WISE:
            tile += product_by_rows(ds, g_weight, rows, columns, n_rows, n_in, Q, ROWS, BLOCK_X, STEP, PRECISION)
        store_part(dx, 0, tile.to(dx.dtype.element_ty), rows, columns, n_rows, n_in)
    elif task < dv_end:
        group, block = (task - dx_end) % n_groups, (task - dx_end) // n_groups
        columns = block * BLOCK_X + tl.arange(0, BLOCK_X)
        entries = tl.arange(0, K_DOT)
        tile = product_over_rows(
            dh, x, x_row, x_column, group * group_rows, group_rows, entries, columns, n_rows, n_in, K, K_DOT, BLOCK_X,
            STEP, PRECISION,
        )  # fmt: skip
        store_part(dv_parts + group.to(tl.int64) * part_stride, 0, tile, entries, columns, K, n_in)
    elif task < dz_end:
        rows = (task - dv_end) // tl.cdiv(d, BLOCK_Z) * ROWS + tl.arange(0, ROWS)
        columns = (task - dv_end) % tl.cdiv(d, BLOCK_Z) * BLOCK_Z + tl.arange(0, BLOCK_Z)
        tile = product_by_rows(ds, g_weight, rows, columns, n_rows, d, Q, ROWS, BLOCK_Z, STEP, PRECISION)
        store_part(dz, 0, tile.to(dz.dtype.element_ty), rows, columns, n_rows, d)
    elif task < dw_end:
        group, block = (task - dz_end) % n_groups, (task - dz_end) // n_groups
        q_block, block = block % tl.cdiv(Q, BLOCK_Q), block // tl.cdiv(Q, BLOCK_Q)
        columns = block * BLOCK_Z + tl.arange(0, BLOCK_Z)
        entries = q_block * BLOCK_Q + tl.arange(0, BLOCK_Q)
        part = group.to(tl.int64) * part_stride
        tile = product_over_rows(
            ds, z, z_row, z_column, group * group_rows, group_rows, entries, columns, n_rows, d, Q, BLOCK_Q, BLOCK_Z,
            STEP, PRECISION,
        )  # fmt: skip
        store_part(dw_parts + part, 0, tile, entries, columns, Q, d)
    else:
        group, q_block = (task - dw_end) % n_groups, (task - dw_end) // n_groups
        entries = q_block * BLOCK_Q + tl.arange(0, BLOCK_Q)
        total = tl.zeros((BLOCK_Q,), dtype=tl.float32)
        for start in range(0, group_rows, ROWS):
            rows = group * group_rows + start + tl.arange(0, ROWS)
            total += tl.sum(load_rows(ds, rows, entries, Q, 1, n_rows, Q), axis=0)
        tl.store(dg_parts + group.to(tl.int64) * part_stride + entries, total, mask=entries < Q)


@triton.jit(do_not_specialize=["n_first", "n_second", "first_size", "second_size"])
@no_type_check
def add_parts(parts, sums, n_first, n_second, first_size, second_size, PARTS: tl.constexpr, COLUMNS: tl.constexpr):
    """Sums over the rows of two matrices, one behind the other: (n_first, first_size) and (n_second, second_size)."""
    first_blocks = tl.cdiv(first_size, COLUMNS)
    block = tl.program_id(0)
    is_first = block < first_blocks
    size = tl.where(is_first, first_size, second_size)
    n_parts = tl.where(is_first, n_first, n_second)
    start = tl.where(is_first, 0, n_first.to(tl.int64) * first_size)
    columns = tl.where(is_first, block, block - first_blocks) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((COLUMNS,), dtype=tl.float32)
    for first in range(0, n_parts, PARTS):  # PARTS at once, so that their loads do not wait for each other
        each = first + tl.arange(0, PARTS)
        at = start + each.to(tl.int64)[:, None] * size + columns[None, :]
        mask = (each < n_parts)[:, None] & (columns < size)[None, :]
        total += tl.sum(tl.load(parts + at, mask=mask, other=0.0), axis=0)
    to = sums + tl.where(is_first, 0, first_size) + columns
    tl.store(to, total.to(sums.dtype.element_ty), mask=columns < size)
