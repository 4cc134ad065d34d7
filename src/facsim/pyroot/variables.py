"""Variables of a DataLoader as blocks and defined columns of a tree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from facsim import io
from facsim.errors import DataError
from facsim.io.expression import parse
from facsim.io.root_sink import numbered

__all__ = ["Variable", "columns"]

PLAIN = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


@dataclass(frozen=True)
class Variable:
    """One variable, or an array of them.

    Parameters
    ----------
    name : str
        Of the column.
    expression : str, optional
        What it is computed from; empty for a branch.
    length : int, optional
        Of an array.
    """

    name: str
    expression: str = ""
    length: int = 0

    @classmethod
    def read(cls, text: str) -> Variable:
        """``"pt"``, ``"pt*cosh(eta)"`` or ``"pz := pt*sinh(eta)"``.

        Raises
        ------
        DataError
            If the expression cannot be understood, with a caret.

        Examples
        --------
        >>> Variable.read("pz := pt*sinh(eta)"), Variable.read("pt*cosh(eta)").name
        (Variable(name='pz', expression='pt*sinh(eta)', length=0), 'pt_cosh_eta')
        """
        label, given, body = str(text).rpartition(":=")
        body = body.strip()
        name = label.strip() if given else re.sub(r"\W+", "_", body).strip("_")
        if PLAIN.fullmatch(body) and (not given or name == body):
            return cls(body)
        if not PLAIN.fullmatch(name):
            msg = f"AddVariable('{text}'): '{name}' can be no name: write 'name := expression'"
            raise DataError(msg)
        return cls(name, str(parse(body)))


def columns(variables: Sequence[Variable], tree: io.Selection) -> tuple[list[str], dict[str, str]]:
    """Feature blocks and definitions for `facsim.io.select`.

    Numbered branches that are all named, in their order (``x0 ... x783``), are one block, which is what an image is.

    Raises
    ------
    DataError
        If there is no variable, one stands twice, or an array has another length.
    """
    if not variables:
        msg = "the loader has no variables: call AddVariable(name, 'F') first"
        raise DataError(msg)
    names = [v.name for v in variables]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        msg = f"the variable '{twice[0]}' stands twice: leave one away"
        raise DataError(msg)
    with io.open(tree, features="all") as reader:
        blocks = {b.name: b for b in reader.schema.features + reader.schema.conditions}
        forms = reader.form.get("branches", {})
    families = {}
    for block in blocks.values():
        branches = numbered(block, forms.get(block.name, {}))
        if branches != [block.name]:
            families[branches[0]] = block.name, branches
    features: list[str] = []
    i = 0
    while i < len(variables):
        variable = variables[i]
        block_name, branches = families.get(variable.name, ("", []))
        if branches and names[i : i + len(branches)] == branches:
            features.append(block_name)
            i += len(branches)
            continue
        if variable.length and variable.name in blocks and blocks[variable.name].size != variable.length:
            size = blocks[variable.name].size
            msg = f"AddVariablesArray('{variable.name}', {variable.length}): the tree has {size} values per event"
            raise DataError(msg)
        features.append(variable.name)
        i += 1
    return features, {v.name: v.expression for v in variables if v.expression}
