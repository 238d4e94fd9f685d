"""What pages share: estimates and verdicts, comparisons with the paper, tables, figures, the foot of a page."""
