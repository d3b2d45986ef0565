"""Makes static pages that open offline, from this package's templates.

What they say, others know.
"""

import base64

import jinja2


def environment() -> jinja2.Environment:
    """Return where templates are found: what is data stays text in HTML, what is missing raises."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("metastasis"),
        autoescape=jinja2.select_autoescape(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(kind: str, content: bytes) -> str:
    """Return `content` of the given media type as a URI that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
