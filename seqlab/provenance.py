"""Where a run comes from: the versions and the processor that it was made with, beside those of here.

Equal configs give equal weights on one machine. On another one libraries may choose other instructions,
which round otherwise; so a run says what it was made on.
"""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["differences", "machine"]

PACKAGES = ("seqlab", "tensorflow", "keras", "numpy")
# Which of them a processor has decides what TensorFlow multiplies matrices with.
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
CPUINFO = Path("/proc/cpuinfo")
NAMES = ("model name", "Hardware", "cpu model")


def machine() -> dict[str, Any]:
    """What ``config.json`` says of versions and processor: plain values."""
    about = _cpuinfo()
    name = next((about[key] for key in NAMES if key in about), "")
    flags = about.get("flags", about.get("Features", "")).split()
    return {
        "versions": {name: _version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
        "processor": name or platform.processor() or platform.machine(),
        "instructions": [one for one in INSTRUCTIONS if one in flags],
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def differences(record: dict[str, Any]) -> list[str]:
    """What was otherwise where a run was made, in words; what its record does not know is left out."""
    here, made = _flat(machine()), _flat(record)
    return [
        f"{name} {made[name]}, here {value}"
        for name, value in here.items()
        if name in made and made[name] != value
    ]


def _flat(record: dict[str, Any]) -> dict[str, str]:
    """Versions by package, and the rest by name, as text."""
    rest = ("processor", "instructions", "cores", "system")
    found = {name: _text(record[name]) for name in rest if name in record}
    versions = record.get("versions")
    return {**(versions if isinstance(versions, dict) else {}), **found}


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first core; nothing on other systems."""
    try:
        lines = CPUINFO.read_text(errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # used from a folder, without having been installed
        return "unknown"
