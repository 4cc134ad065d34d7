"""Where a stage applies."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["When"]


class When(BaseModel):
    """A block and the value that it must have.

    Examples
    --------
    >>> When.model_validate({"block": "isMuon", "is": 1})
    When(block='isMuon', value=1.0)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    block: str
    """A flag, a category or a count: one number per event."""
    value: float | str = Field(alias="is")
    """Its value; of a category, the name."""
