"""Tables, figures and verdicts from rows of the store. Imports no torch."""


def summary(suite, plan, store):
    return ""
