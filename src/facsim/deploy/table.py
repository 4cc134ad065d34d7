"""What `facsim.deploy.bench` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["BenchTable", "Rate", "TruthRate"]

_NAMES = {"torch": "torch", "onnx": "ONNX, facsim", "onnxruntime": "ONNX, bare onnxruntime"}


@dataclass(frozen=True)
class Rate:
    """Events per CPU second of one engine at one batch size: median, slowest and fastest round."""

    engine: str
    batch: int
    per_second: float
    slowest: float
    fastest: float


@dataclass(frozen=True)
class TruthRate:
    """Showers per CPU second of Geant4, over `events` showers of one energy."""

    preset: str
    particle: str
    energy_gev: float
    events: int
    per_second: float


@dataclass(frozen=True)
class BenchTable:
    """Speed, memory and size of a model on one core.

    Parameters
    ----------
    model : str
        Path or class.
    parameters : int or None
        Trained numbers, where the file says so.
    file_bytes : int
        Size of the exported file.
    energies_gev : tuple of float
        Incident energies of the sampled events.
    rates : tuple of Rate
        One per engine and batch.
    memory_mib : mapping
        By engine: resident memory once loaded, and its peak while sampling the largest batch.
    truth : tuple of TruthRate
        Geant4, if asked for.
    machine : mapping
        Processor and versions.

    Examples
    --------
    >>> rates = (Rate("onnx", 100, 5e4, 4e4, 6e4),)
    >>> table = BenchTable("m.onnx", 280_000, 1_200_000, (50.0,), rates, {"onnx": (90.0, 120.0)},
    ...                    (TruthRate("calogan", "e+", 50.0, 8, 1.25),))
    >>> table.speed_up(50.0)
    40000.0
    >>> print(table)
    m.onnx: 280,000 parameters, 1.2 MB
    <BLANKLINE>
    showers per second per core  batch 100  peak memory
    ONNX, facsim                    50,000      120 MiB
    Geant4 calogan, e+, 50 GeV        1.25
    <BLANKLINE>
    speed-up over Geant4 at 50 GeV: 40,000
    """

    model: str
    parameters: int | None
    file_bytes: int
    energies_gev: tuple[float, ...]
    rates: tuple[Rate, ...]
    memory_mib: Mapping[str, tuple[float, float]]
    truth: tuple[TruthRate, ...] = ()
    machine: Mapping[str, str | int | float] = field(default_factory=dict)

    def rate(self, engine: str, batch: int) -> float:
        """Median events per CPU second."""
        return next(r.per_second for r in self.rates if (r.engine, r.batch) == (engine, batch))

    @property
    def batches(self) -> tuple[int, ...]:
        """Measured batch sizes, in order."""
        return tuple(dict.fromkeys(r.batch for r in self.rates))

    def speed_up(self, energy_gev: float, engine: str = "onnx") -> float:
        """How many times faster than Geant4 at this energy, at the largest batch."""
        truth = next(t for t in self.truth if t.energy_gev == energy_gev)
        return self.rate(engine, max(self.batches)) / truth.per_second

    def overhead(self, batch: int) -> float:
        """Share by which facsim is slower than bare onnxruntime; negative where it is faster, since it cuts batches."""
        return self.rate("onnxruntime", batch) / self.rate("onnx", batch) - 1

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, with the speed-up per energy."""
        plain = {**asdict(self), "memory_mib": dict(self.memory_mib), "machine": dict(self.machine)}
        return {**plain, "speed_up": {f"{t.energy_gev:g}": self.speed_up(t.energy_gev) for t in self.truth}}

    def __str__(self) -> str:
        engines = dict.fromkeys(r.engine for r in self.rates)
        head = ["showers per second per core", *(f"batch {b:,}" for b in self.batches), "peak memory"]
        rows = [[_NAMES.get(e, e), *(_digits(self.rate(e, b)) for b in self.batches), self._peak(e)] for e in engines]
        for t in self.truth:
            first = f"Geant4 {t.preset}, {t.particle}, {t.energy_gev:g} GeV"
            rows.append([first, *([""] * (len(self.batches) - 1)), _digits(t.per_second), ""])
        size = f"{self.parameters:,} parameters, " if self.parameters is not None else ""
        parts = [f"{self.model}: {size}{self.file_bytes / 1e6:.1f} MB", _align([head, *rows])]
        parts += [
            "\n".join(
                f"speed-up over Geant4 at {t.energy_gev:g} GeV: {_digits(self.speed_up(t.energy_gev))}"
                for t in self.truth
            )
        ]
        parts += [", ".join(f"{key} {value}" for key, value in self.machine.items())]
        return "\n\n".join(p for p in parts if p)

    def _peak(self, engine: str) -> str:
        return f"{self.memory_mib[engine][1]:.0f} MiB" if engine in self.memory_mib else ""


def _digits(value: float) -> str:
    """Three digits, thousands separated."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest entry: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:], strict=True))]) for r in rows
    )
    return "\n".join(line.rstrip() for line in lines)
