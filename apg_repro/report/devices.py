"""Of which device a page's times are: those of a CPU and of a GPU beside one another, never mixed. Imports no torch."""

from html import escape

from apg_repro import suite
from apg_repro.config import DEVICE_KINDS, DeviceKind
from apg_repro.report.tables import Markup
from apg_repro.rows.evidence import Evidence

TITLES: dict[DeviceKind, str] = {"cpu": "CPU", "cuda": "GPU"}
NOT_YET = "not measured yet"


def measured_devices(evidence: Evidence) -> list[Evidence]:
    """What was measured on each kind of device; those of which there are no rows are left out."""
    return [on for on in map(evidence.on, DEVICE_KINDS) if on.measured]


def each_device(evidence: Evidence) -> list[Evidence]:
    """The devices of tables and figures that are there in any case: empty ones of a CPU if there are no rows."""
    return measured_devices(evidence) or [evidence.on("cpu")]


def device_title(evidence: Evidence) -> str:
    """The kind of device in a word."""
    return TITLES[evidence.plan.device_kind]


def names(evidence: Evidence) -> str:
    """What the devices of this kind are called that rows come from; "" without rows."""
    return ", ".join(sorted({row.origin.device for row in evidence.measured.values()}))


def on_a(evidence: Evidence) -> str:
    """As in "on a GPU (NVIDIA H200)"."""
    return f"on a {device_title(evidence)}" + (f" ({names(evidence)})" if evidence.measured else "")


def command(evidence: Evidence) -> str:
    """What measures on this kind of device."""
    plan = evidence.plan
    text = suite.command(evidence.suite.name, plan.profile, [plan.dataset])
    return text + (f" --device {plan.device_kind}" if plan.device_kind != "cpu" else "")


def devices_note(evidence: Evidence) -> Markup:
    """Which devices a page's measurements are of, and the command that measures where nothing was measured yet."""
    lines = []
    for kind in DEVICE_KINDS:
        on = evidence.on(kind)
        missing = f"{NOT_YET}; this does it: <code>{escape(command(on))}</code>"
        lines.append(f"<li>{device_title(on)}: {escape(names(on)) if on.measured else missing}</li>")
    return Markup(f"<p>{escape(evidence.data.title)}. Measured on:</p><ul>{''.join(lines)}</ul>")
