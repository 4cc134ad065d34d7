"""Geant4's data sets: where they are, which are missing, and how to get them. Never asks, never hangs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facsim.errors import MissingData

__all__ = ["DataSets", "find"]

_VARIABLE = "GEANT4_DATA_DIR"
_HOME = ".geant4_pybind"  # where geant4_pybind stores what it downloads, in the user's home
_CURE = (
    f"Set {_VARIABLE} to a folder with Geant4's data sets, or fetch the official ones, all of them, into ~/{_HOME}:\n"
    f'  echo y | env -u {_VARIABLE} python -c "import geant4_pybind"\n'
    "facsim looks there when the variable is not set"
)
# data set -> the variable by which Geant4 looks for it alone
_OWN_VARIABLE = {
    "G4EMLOW": "G4LEDATA",
    "G4ENSDFSTATE": "G4ENSDFSTATEDATA",
    "PhotonEvaporation": "G4LEVELGAMMADATA",
    "G4PARTICLEXS": "G4PARTICLEXSDATA",
    "G4SAIDDATA": "G4SAIDXSDATA",
}


@dataclass(frozen=True)
class DataSets:
    """A complete choice of data for one kind of physics.

    Parameters
    ----------
    folder : Path
        Value for ``GEANT4_DATA_DIR``.
    photoelectric : str
        Folder of the photoelectric tables: ``"epics_2017"`` (Geant4's default) or ``"livermore"``.
    names : tuple of str
        Data sets that will be used, with their versions.
    """

    folder: Path
    photoelectric: str
    names: tuple[str, ...]


def find(*, hadrons: bool = False, environment: Mapping[str, str] | None = None) -> DataSets:
    """Look for the data sets that electromagnetic, or also hadronic, physics needs.

    Parameters
    ----------
    hadrons : bool, optional
        Whether hadronic cross sections and nuclear levels are needed too.
    environment : mapping, optional
        By default `os.environ`.

    Raises
    ------
    MissingData
        If a set is not there; names the set, the variable and the command that fetches it.
    """
    environment = os.environ if environment is None else environment
    given = environment.get(_VARIABLE)
    folder = Path(given) if given else Path.home() / _HOME
    if not folder.is_dir():
        what = f"{_VARIABLE}={given}" if given else f"{_VARIABLE} is not set, and {folder}"
        msg = f"no Geant4 data: {what} is not a folder.\n{_CURE}"
        raise MissingData(msg)

    found: list[str] = []

    def need(name: str, inside: str | None, purpose: str) -> Path:
        """The data set's folder, if it has something matching `inside`."""
        own = environment.get(_OWN_VARIABLE[name])
        # several versions may lie side by side: Geant4 knows which it wants, and says so if that one is not there
        for candidate in [Path(own)] if own else sorted(folder.glob(f"{name}[0-9]*"), reverse=True):
            if candidate.is_dir() if inside is None else next(candidate.glob(inside), None) is not None:
                found.append(candidate.name)
                return candidate
        msg = f"Geant4's data set {name} (for {purpose}) is missing in {own or folder}.\n{_CURE}"
        raise MissingData(msg)

    low = need("G4EMLOW", "brem_SB/br*", "electromagnetic physics")
    photoelectric = next((n for n in ("epics_2017", "livermore") if (low / n).is_dir()), None)
    if photoelectric is None:
        msg = (
            f"{low} has no photoelectric tables (epics_2017 or livermore): the data set G4EMLOW is incomplete.\n{_CURE}"
        )
        raise MissingData(msg)
    if not hadrons:
        # only their existence is asked for
        need("G4ENSDFSTATE", "ENSDFSTATE.dat", "particle tables")
        need("PhotonEvaporation", None, "particle tables")
    else:
        need("G4PARTICLEXS", "neutron/inel1*", "hadronic cross sections")
        need("PhotonEvaporation", "z*", "de-excitation of nuclei")
        levels = need("G4ENSDFSTATE", "ENSDFSTATE.dat", "nuclear levels")
        if (levels / "ENSDFSTATE.dat").stat().st_size == 0:
            msg = f"{levels / 'ENSDFSTATE.dat'} is empty: hadrons need the real data set G4ENSDFSTATE.\n{_CURE}"
            raise MissingData(msg)
        need("G4SAIDDATA", "*", "hadron-nucleon cross sections")
    return DataSets(folder.resolve(), photoelectric, tuple(found))
