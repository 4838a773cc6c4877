"""Makes the pictures of a folder small: `tools/pictures.py docs/screenshots`.

Pages are flat, so 128 colours show all there is of them in a third of the bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

COLOURS = 128


def shrink(path: Path) -> None:
    """Rewrite a PNG with a palette, unless it has one."""
    with Image.open(path) as picture:
        if picture.mode == "P":
            return
        reduced = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.png")):
        shrink(path)
