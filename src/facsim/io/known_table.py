"""A layout from a list of columns: what a public table calls them, and in which units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facsim.io.contents import Contents, Pick, same_columns
from facsim.io.layout import Layout
from facsim.io.text_table import STEP, Column, TextSink, TextTable
from facsim.schema import Block, Schema

__all__ = ["known_table"]


def known_table(
    name: str,
    features: Sequence[Column],
    conditions: Sequence[Column],
    *,
    delimiter: str,
    suffix: str,
    weights: str,
    begins: Callable[[bytes], bool],
    detector: str = "",
) -> Layout:
    """Make the layout of a text table with known columns; others in the file can be picked by name.

    Parameters
    ----------
    name : str
        Of the layout.
    features, conditions : sequence of Column
    delimiter, suffix : str
        For writing.
    weights : str
        Column of the event weights, if there is one.
    begins : callable
        Whether a file that begins in this way is one.
    detector : str, optional
        Label of the schema.
    """
    columns = [*features, *conditions]
    schema = Schema(tuple(c.block for c in features), tuple(c.block for c in conditions), detector)

    class Source:
        def __init__(self, path: Path, pick: Pick) -> None:  # noqa: ARG002 - Contents.choose does what there is to do
            self.table = TextTable(path)
            try:
                self.table.require([c.name for c in columns], name)
            except BaseException:
                self.close()
                raise
            self.by_name = {c.block.name: c for c in columns}
            known = {c.name for c in columns} | set(self.by_name) | {weights}
            others = [n for n in self.table.names if n not in known]
            self.contents = Contents(
                self.table.events,
                (*schema.features, *schema.conditions, *map(Block, others)),
                tuple(b.name for b in schema.features) + tuple(others),
                tuple(b.name for b in schema.conditions),
                default=tuple(b.name for b in schema.features),
                weights=weights if weights in self.table.names else None,
                detector=detector,
                unusable=dict.fromkeys(self.table.words, "the column holds words, not numbers"),
                chunk=STEP,
            )

        def load(self, names: Sequence[str], start: int, stop: int) -> Mapping[str, Any]:
            wanted = {n: self.by_name.get(n, Column(Block(n), n)) for n in names}
            found = self.table.rows([c.name for c in wanted.values()], start, stop)
            return {n: (found[c.name] - c.offset) / c.factor for n, c in wanted.items()}

        def close(self) -> None:
            self.table.close()

    def sink(path: Path, given: Schema, weighted: bool, attrs: Mapping[str, Any]) -> TextSink:  # noqa: ARG001
        return TextSink(path, columns, delimiter, weights if weighted else None)

    return Layout(
        name=name,
        suffixes=(suffix,),
        magic=b"",
        begins=begins,
        recognises=lambda path, pick: True,  # noqa: ARG005 - what is wrong with it, the source says
        refuses=lambda given: same_columns(given, schema),
        source=Source,
        sink=sink,
    )
