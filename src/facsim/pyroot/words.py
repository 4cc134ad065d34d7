"""Option strings of Factory and of PrepareTrainingAndTestTree: ``!V:SplitMode=Random:nTrain_Signal=1000``."""

from __future__ import annotations

from collections.abc import Mapping

from facsim.tmva.source import Piece

__all__ = ["parse_words"]


def parse_words(string: str, known: Mapping[str, bool]) -> dict[str, Piece | bool]:
    """Options by name.

    Parameters
    ----------
    string : str
    known : mapping of str to bool
        Names, as TMVA writes them, and whether they are yes or no (``V``, ``!V``, ``V=True``). Case does not matter.

    Returns
    -------
    dict
        Booleans, and for the others the piece of the string that stands behind ``=``.

    Raises
    ------
    OptionStringError
        For a name that is unknown, stands twice, or lacks its value: with a caret, and the nearest name.

    Examples
    --------
    >>> found = parse_words("!V:SplitMode=Random", {"V": True, "SplitMode": False})
    >>> found["V"], found["SplitMode"].text
    (False, 'Random')
    """
    names = {name.upper(): name for name in known}
    found: dict[str, Piece | bool] = {}
    for word in (p.strip() for p in Piece.of(str(string)).split(":")):
        if not word.text:
            continue
        key, *rest = word.split("=")
        no = key.text.startswith("!")
        key = (key.cut(1) if no else key).strip()
        name = names.get(key.text.upper())
        if name is None:
            key.fail(f"the option '{key.text}' is unknown", known=known)
        if name in found:
            key.fail(f"the option '{name}' stands twice", "Leave one of them.")
        if known[name]:
            found[name] = rest[0].strip().boolean(name) if rest else not no
        elif no or not rest:
            key.fail(f"the option '{name}' needs a value", f"Write {name}=...")
        else:
            found[name] = word.cut(rest[0].start - word.start).strip()
    return found
