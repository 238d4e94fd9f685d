"""A user's mistake, as opposed to a fault of the code."""

import sys
import time

WAIT = 1.0  # seconds, in which JupyterLab sends the other cells of a Run All


class UserError(Exception):
    """A mistake that the user can mend; its text says how. Command line and notebooks print it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback.

        A kernel cancels the cells that wait when one fails. JupyterLab clears outputs while it sends them, so some come
        after a mistake that is found at once; they would run, with what the notebook held before.
        """
        if "ipykernel" in sys.modules:
            time.sleep(WAIT)
        return [f"error: {self}"]
