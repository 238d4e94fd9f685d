"""Every claim of the paper, and what the committed rows say of it. Imports no torch."""
