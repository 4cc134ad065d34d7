"""Files of events: `read`, `write`, and `open` and `create` for samples larger than memory.

Layouts are recognised by content; see `layouts` for their names. One module per layout.
"""

from facsim.io.convert import convert
from facsim.io.reader import Reader
from facsim.io.registry import layouts
from facsim.io.selection import Selection, select
from facsim.io.summary import info
from facsim.io.verbs import create, open, read, write  # noqa: A004 - used as facsim.io.open
from facsim.io.writer import Writer

__all__ = [
    "Reader",
    "Selection",
    "Writer",
    "convert",
    "create",
    "info",
    "layouts",
    "open",
    "read",
    "select",
    "write",
]
