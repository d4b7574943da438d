"""Reads how wide and how heavy a picture is, from its first bytes.

Knows the three kinds every mail program shows: PNG, JPEG, GIF. Refuses to decode anything.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

#: A JPEG states its size behind its metadata, which can be long.
_HEAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Image:
    """What a file says of itself. `kind` is empty when it is none of the three."""

    kind: str
    width: int
    height: int
    size: int


def look_at(file: Path) -> Image:
    """The picture in `file`. Raises OSError when it cannot be read."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    size = file.stat().st_size
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return Image("png", width, height, size)
    if head[:6] in {b"GIF87a", b"GIF89a"} and len(head) >= 10:
        width, height = struct.unpack("<HH", head[6:10])
        return Image("gif", width, height, size)
    if head.startswith(b"\xff\xd8"):
        width, height = _jpeg_size(head)
        return Image("jpeg", width, height, size)
    return Image("", 0, 0, size)


def _jpeg_size(head: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 < len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", head[position + 5 : position + 9])
            return width, height
        position += 2 + int(struct.unpack(">H", head[position + 2 : position + 4])[0])
    return 0, 0
