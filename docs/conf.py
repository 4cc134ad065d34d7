"""Sphinx configuration: MyST pages, API reference from the docstrings, command line from click."""

import facsim

project = "facsim"
author = "The facsim developers"
copyright = "2026, The facsim developers"  # noqa: A001
release = version = facsim.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_click",
    "sphinx_copybutton",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
copybutton_prompt_text = r"^\$ |^>>> "
copybutton_prompt_is_regexp = True
exclude_patterns = ["_build", "generated"]  # fragments that pages include
html_theme = "furo"
html_title = "facsim"
html_static_path: list[str] = []
# A name that several classes have (width) needs no single target.
suppress_warnings = ["ref.python"]
