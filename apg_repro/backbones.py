"""The backbones by name. Imports no torch: tables are declared from the names, ``models`` has the classes.

Adding a backbone: its name here, its class in the file of its name in ``models/``, and its equations, once more and for
one instance, in ``tests/reference/``.
"""

PAPER_BACKBONES = ("WDL", "PNN", "FiBiNET", "DIFM", "DeepFM", "DCN", "AutoInt")  # Table 2's seven, in its order
BACKBONES = (*PAPER_BACKBONES, "DCNv2")  # what the paper does not have goes behind its seven
