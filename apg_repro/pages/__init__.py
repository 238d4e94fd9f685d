"""What one page has and no other: its tables and figures, a module a page. Imports no torch."""
