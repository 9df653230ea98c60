"""What mkdocs calls while it builds the pages: mkdocs.yml names this file."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.generated import filled

GALLERY = Path(__file__).parent / "gallery"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures that `make gallery` drew."""
    for path in sorted(GALLERY.glob("*.png")):
        files.append(File.generated(config, f"gallery/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what a page asks the code for."""
    return filled(markdown)
