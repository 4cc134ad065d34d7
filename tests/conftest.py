"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of reference data: $FACSIM_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("FACSIM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set FACSIM_DATA to the folder that holds calogan/, geant4/, showers/")
    return folder
