"""Makes static pages that open offline, from the templates of a stage and those beside this file.

What a page says, its stage decides.
"""

import base64
from pathlib import Path

import jinja2

SHARED = Path(__file__).parent


def environment(folder: Path) -> jinja2.Environment:
    """Return where the templates of `folder` are found, and the shared ones.

    Data is escaped in HTML, and an undefined variable raises.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED]),
        autoescape=jinja2.select_autoescape(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(kind: str, content: bytes) -> str:
    """Return `content` of the given media type as a URI that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
