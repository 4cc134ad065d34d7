"""What a network must know of the events: how many columns, which blocks, which conditions."""

from __future__ import annotations

from dataclasses import dataclass

from facsim.errors import SchemaMismatch
from facsim.schema import Block, Schema

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Sizes that a part builds its network for.

    Attributes
    ----------
    schema : Schema
        Features and conditions.
    width : int
        Columns of an event as the networks see it (of the transform's latent space).
    context : int
        Columns of the scaled conditions: real ones first to last as in the schema, a category as one column per name.
        A schema without conditions has one column of zeros.
    categories : tuple of (int, int)
        First and last-plus-one context column of every category, in schema order.
    """

    schema: Schema
    width: int
    context: int
    categories: tuple[tuple[int, int], ...] = ()

    @property
    def reals(self) -> tuple[int, ...]:
        """Context columns that belong to no category; none for a schema without conditions."""
        if not self.schema.conditions:
            return ()
        inside = {c for a, b in self.categories for c in range(a, b)}
        return tuple(c for c in range(self.context) if c not in inside)

    def image(self, part: str, instead: str) -> Block:
        """The only block of the schema, if it is an image (two axes) and the networks see it pixel by pixel.

        Raises
        ------
        SchemaMismatch
            Else; names the block that does not fit, and the recipe to use `instead`.
        """
        blocks = self.schema.features
        wrong = next((b for b in blocks if len(b.shape) != 2), blocks[1] if len(blocks) > 1 else None)
        if wrong is not None:
            msg = f"'{part}' draws one image; block '{wrong.name}' of shape {wrong.shape} does not fit. Use {instead}"
            raise SchemaMismatch(msg)
        if self.width != self.schema.width:
            cure = "set model.transform to 'scale' or 'standard', and model.moments to false"
            msg = f"'{part}' needs the pixels themselves: {cure}"
            raise SchemaMismatch(msg)
        return blocks[0]
