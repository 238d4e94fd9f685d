"""What the paper says it ran, besides the defaults of ``RunConfig`` (Section 4.4, Appendix B.3)."""

RANKS = (2, 4, 6, 8)  # K, searched
WIDTHS = (32, 64, 128, 256, 512)  # P, searched
TABLE5_RANK = 4
TABLE5_INPUTS = 393  # of the first layer, on IAAC
