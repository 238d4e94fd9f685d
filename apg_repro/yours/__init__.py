"""Does APG pay on your data? ``apg try FILE --label COLUMN``: a file of rows → a search, a verdict, a report, a model.

It needs the extra ``[try]``, and works outside of a checkout. Only ``__main__`` and notebooks import it.
"""
