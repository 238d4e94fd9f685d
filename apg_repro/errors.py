"""A user's mistake, as opposed to a fault of the code; and what the errors of others say."""

import sys
import time

ABORT_SECONDS = 1.0  # in which JupyterLab sends the other cells of a Run All


class UserError(Exception):
    """A mistake that the user can mend; its text says how. Command line and notebooks print it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback.

        A kernel cancels the cells that wait when one fails. JupyterLab clears outputs while it sends them, so some come
        after a mistake that is found at once; they would run, with what the notebook held before.
        """
        if "ipykernel" in sys.modules:
            time.sleep(ABORT_SECONDS)
        return [f"error: {self}"]


def first_line(error: BaseException, most: int = 200) -> str:
    """The first line of what an error says, of at most so many characters; its type if it says nothing."""
    return str(error).strip().partition("\n")[0][:most] or type(error).__name__


def in_a_line(error: BaseException, most: int = 200) -> str:
    """An error's type and the first line of its text, of at most so many characters."""
    return f"{type(error).__name__}: {first_line(error, most)}"


def lacks_memory(error: BaseException) -> bool:
    """Whether this error says that the memory of the CPU or of a device does not suffice."""
    # torch says it in words where the CPU's memory is short.
    return isinstance(error, MemoryError) or out_of_memory(error) or "can't allocate memory" in str(error)


def out_of_memory(error: BaseException | None) -> bool:
    """Whether this error, or one that it came after, is one of a device's memory. Ending a recording may hide it.

    cuBLAS, the driver and Triton have words of their own for torch's ``OutOfMemoryError``.
    """
    while error is not None:
        text = str(error).lower()
        if type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "alloc_failed" in text:
            return True
        error = error.__cause__ or error.__context__
    return False
