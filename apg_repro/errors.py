"""A user's mistake, as opposed to a fault of the code."""


class UserError(Exception):
    """A mistake that the user can mend; its text says how. Command line and notebooks print it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"error: {self}"]
