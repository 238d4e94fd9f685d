"""What the paper prints: its numbers, its formulas, its memory, and where it contradicts itself. No HTML, no torch."""
