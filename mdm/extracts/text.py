"""Text files: their encoding, their lines in bounded memory, and the faults they may have."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import charset_normalizer

from mdm.errors import BadInput

SAMPLE_BYTES = 1 << 18
_CHUNK = 1 << 20
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# what text does not hold, beyond tab, line ends, form feed and the old end-of-file mark
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13, 26}) + b"\x7f"
_MAX_CONTROL_SHARE = 0.01


@contextlib.contextmanager
def opened(path: Path, *, gzipped: bool) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file's (unpacked) bytes, and the file below, whose position tells how far reading is.

    Raises BadInput for a file that cannot be opened, a damaged gzip and wrong characters.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BadInput(str(path), problem=error.strerror or "cannot be read") from error
    with raw:
        stream: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if gzipped else raw
        try:
            yield stream, raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadInput(str(path), problem=f"damaged gzip: {error}") from error
        except UnicodeDecodeError as error:
            raise BadInput(
                str(path),
                problem=f"byte {error.object[error.start]:#x} is no {error.encoding}",
                hint="Convert the file to UTF-8 and load it again.",
            ) from error
        finally:
            stream.close()


def encoding_of(path: Path, sample: bytes) -> str:
    """The text encoding of a file that begins with ``sample``.

    Raises BadInput for binary content and where no encoding fits.
    """
    if sample.startswith(_UTF8_MARK):
        return "utf-8-sig"
    if sample.startswith(_UTF16_MARKS):
        return "utf-16"
    if b"\0" in sample or _control_share(sample) > _MAX_CONTROL_SHARE:
        raise BadInput(str(path), problem="a binary file, not text such as CSV")
    try:
        # an incomplete character at the end of the sample is no fault of the file
        sample[: sample.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(sample).best()
        if best is None:
            raise BadInput(str(path), problem="the text encoding cannot be told") from None
        # the Latin families differ in rare signs only; the one everybody exports is cp1252
        return (
            "cp1252" if best.encoding.startswith(("cp125", "latin", "iso8859")) else best.encoding
        )
    return "utf-8"


def _control_share(sample: bytes) -> float:
    return (len(sample) - len(sample.translate(None, _CONTROL))) / max(1, len(sample))


def utf8_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a JSON file in pieces: without a byte order mark, UTF-16 as UTF-8."""
    first = stream.read(_CHUNK)
    if first.startswith(_UTF16_MARKS):
        pieces = itertools.chain([first], iter(lambda: stream.read(_CHUNK), b""))
        for piece in codecs.iterdecode(pieces, "utf-16"):
            yield piece.encode()
        return
    yield first.removeprefix(_UTF8_MARK)
    while chunk := stream.read(_CHUNK):
        yield chunk


def filled_lines(path: Path, stream: BinaryIO, *, max_bytes: int) -> Iterator[bytes]:
    """The lines of a file that are not blank, without line ends, in bounded memory.

    Raises BadInput for a line that is longer than ``max_bytes``.
    """
    number, rest = 0, b""
    for chunk in utf8_chunks(stream):
        *whole, last = chunk.split(b"\n")
        if whole:
            whole[0] = rest + whole[0]
            rest = last
        else:
            rest += last
        for line in whole:
            number += 1
            if len(line) > max_bytes:
                raise too_long(path, f"line {number:,}", max_bytes)
            if line := line.strip():
                yield line
        if len(rest) > max_bytes:
            raise too_long(path, f"line {number + 1:,}", max_bytes)
    if rest := rest.strip():
        yield rest


def too_long(path: Path | str, what: str, max_bytes: int) -> BadInput:
    """The refusal of a record that would not fit into a line of the lake."""
    return BadInput(
        str(path),
        problem=f"{what} is longer than {max_bytes:,} bytes (ingestion.max_line_bytes)",
        hint="Nothing of the file was kept. Is a quote or a line end missing there?",
    )
