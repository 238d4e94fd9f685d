"""A replication of APG: Adaptive Parameter Generation Network for Click-Through Rate Prediction (NeurIPS 2022).

Where to look:

- ``config``: what one run is. ``suites``: which runs a table of the paper needs, and the verdict rule.
- ``data``: prepared data sets, splits. ``metrics``: AUC and logloss.
- ``nn``: the APG layer (``nn.apg``), its conditions, the static layer, the embedding.
- ``models``: the backbones; none of them knows of APG, dense layers are injected.
- ``build``: RunConfig → model. ``train``: one run, RunConfig → result. ``optimizer``, ``graphs``, ``observe``: how
  weights move, steps as CUDA graphs, what is recorded besides scores. ``run``: suites → runs → rows in the store.
- ``measure``: what is measured without a run of training, a module a suite. ``complexity``: Table 1's formulas.
- ``store``: rows of ``results/``. ``provenance``: the code that made them. ``paper``: the numbers that the paper
  prints. ``report``: tables and verdicts, and ``report_cost`` those of costs. ``figures``: what people would rather
  look at. ``pages``: what one page has and no other. ``claims``: every claim. ``summary``: tables as text.
- ``errata``: the paper's numbers held against each other. ``paper_memory``: what its memory figures are made of.
- ``study``: what a notebook opens. ``notebooks``: executes them for the book.
- ``prepare``, ``planted``: what the data scripts share, and how rows of a known truth are made.

Importing this package, or anything that only reads results, does not import torch.
"""
