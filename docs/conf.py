"""How Sphinx builds the site: ``sphinx-build -W -b html docs docs/_build/html``. Nothing is fetched while it builds."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gallery_source

import skvq

PUBLIC_MODULES = (
    "skvq",
    *(f"skvq.{name}" for name in skvq._MODULES),
    "skvq.compression",
    "skvq.networks.priors",
    "skvq.networks.quantizers",
)

project = "skvq"
author = "The skvq developers"
project_copyright = author
version = release = skvq.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_gallery_source", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore = [
    ("py:attr", "active"),
    ("py:class", "skvq._context_tables.ContextTables"),
    ("py:meth", "_new_source"),
    ("py:mod", "skvq.networks.priors.base"),
    *(("py:data", name) for name in ("ARCHITECTURES", "LOSSES", "PRIOR_NETWORKS", "QUANTIZERS")),
]

autosummary_generate = True
autodoc_inherit_docstrings = False  # those of Keras are in Markdown
autodoc_typehints = "none"  # numpydoc's sections have the types, with shapes
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3

# Names that docstrings refer to. The inventories are short lists in text, so that no build needs a network.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "inventories/python.inv"),
    "sklearn": ("https://scikit-learn.org/stable", "inventories/sklearn.inv"),
}

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

gallery_source.write(HERE.parent / "examples", HERE / "_gallery_source")
sphinx_gallery_conf = {
    "examples_dirs": "_gallery_source",
    "gallery_dirs": "gallery",
    "plot_gallery": "False",  # the examples train for minutes; the figures are those that they left
    "filename_pattern": "^$",
    "within_subsection_order": "gallery_source.InOrder",
    "remove_config_comments": True,
    "show_signature": False,
    "show_memory": False,
    "notebook_extensions": set(),
    "download_all_examples": False,
    "write_computation_times": False,
    "backreferences_dir": None,
}

html_theme = "pydata_sphinx_theme"
html_title = "skvq"
html_static_path = ["_static"]
html_css_files = ["skvq.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "skvq"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
html_sidebars = {"index": [], "benchmarks": [], "changelog": []}


def skip_foreign_members(app, what, name, member, skip, options):
    """Leave out the methods that scikit-learn and Keras bring along: their own sites describe them."""
    home = getattr(getattr(member, "fget", member), "__module__", None) or "skvq"
    return True if not home.startswith("skvq") else None


def escape_shapes(app, what, name, obj, options, lines):
    """Escape what docstrings say plainly, such as (n, *grid_.shape), where reStructuredText would see markup."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            pieces = line.split("``")  # literals at the odd places
            pieces[::2] = [
                re.sub(r"(?<=[ (/\"])(\*+)(?=[\w./\"])|(?<=\w)_(?=\.)", escaped, piece) for piece in pieces[::2]
            ]
            lines[i] = "``".join(pieces)


def escaped(match: re.Match) -> str:
    return "".join(f"\\{character}" for character in match[0])


def resolve_public_name(app, env, node, contnode):
    """Resolve the name of an object in a private module, or without its module, to the name in the reference."""
    target = node.get("reftarget", "")
    public = public_name(target) if node.get("refdomain") == "py" else None
    if public is None or public == target:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], public, node, contnode)


def public_name(target: str) -> str | None:
    """Return the shortest public name of the object that ``target`` names, or None."""
    home, _, name = target.rpartition(".")
    try:
        wanted = getattr(import_module(home), name) if home else None
    except (ImportError, AttributeError):
        return None
    for module in PUBLIC_MODULES:
        found = getattr(import_module(module), name, None)
        if found is not None and (wanted is None or found is wanted):
            return f"{module}.{name}"
    return None


def setup(app):
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("autodoc-process-docstring", escape_shapes, priority=400)  # before numpydoc
    app.connect("missing-reference", resolve_public_name)
