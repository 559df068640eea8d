"""What says of a picture that it was made: in its metadata, and in a JSON file beside it.

No switch leaves it out. Programs that convert or crop a picture may drop metadata: docs/responsible-use.md.
"""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.errors import UserError

SAYS = "synthetic, made by Facet"
# IPTC's words for it: https://cv.iptc.org/newscodes/digitalsourcetype
MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PASTED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def sentence(fingerprint: str) -> str:
    """What the metadata say, for formats that have room for a line."""
    return f"{SAYS}, model {fingerprint}"


def xmp(fingerprint: str, source_type: str = MADE) -> str:
    """An XMP packet with IPTC's digital source type."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'Iptc4xmpExt:DigitalSourceType="{escape(source_type)}" xmp:CreatorTool="{escape(sentence(fingerprint))}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def png(image: np.ndarray, fingerprint: str, source_type: str = MADE) -> bytes:
    """A picture, uint8 [H, W, 3] RGB, as a PNG file that says what it is."""
    says = PngInfo()
    says.add_text("Comment", sentence(fingerprint))
    says.add_itxt("XML:com.adobe.xmp", xmp(fingerprint, source_type))
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", pnginfo=says)
    return stream.getvalue()


def write(out: Path, content: bytes, made: Mapping[str, Any]) -> None:
    """The file, and beside it OUT.json: what it was made of (inputs, model, settings).

    Raises:
        UserError: the place cannot be written.
    """
    sidecar = {"facet": SAYS, **made}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        replace(out, content)
        replace(out.with_name(f"{out.name}.json"), json.dumps(sidecar, indent=2, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None


def replace(path: Path, content: bytes) -> None:
    """Written under a temporary name first, so that nobody finds half a file."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
