"""How Sphinx builds these pages: Markdown with examples that run, nothing fetched."""

from importlib.metadata import version as version_of

project = "dcsim"
author = "The dcsim developers"
copyright = author
version = release = version_of("dcsim")

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say them, with units
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"dcsim {version}"
html_theme_options = {"navigation_with_keys": False, "show_toc_level": 2}
html_sidebars = {"index": []}
