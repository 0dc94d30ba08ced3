"""Text files: their encoding, their lines in bounded memory, and the faults they may have."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mdm.errors import BadInput, UsageError

SAMPLE_BYTES = 1 << 18
_CHUNK = 1 << 20
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# what text does not hold, beyond tab, line ends, form feed and the old end-of-file mark
_CONTROL = bytes(set(range(32)) - {9, 10, 12, 13, 26}) + b"\x7f"
_MAX_CONTROL_SHARE = 0.01
_WESTERN = "cp1252"
_WORD = re.compile(r"[A-Za-z\x80-\uffff]+")
_BESIDE_WORDS = frozenset("\xa0«»´‘’“”„‹›…–—°ªº")
_CAPITAL_INSIDE = re.compile("[A-Za-z][À-ÖØ-ÞŠŒŽŸ][a-z]")
_MAX_ODD_SHARE = 0.2


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
                hint="Say what it is with --encoding, or convert it to UTF-8.",
            ) from error
        finally:
            stream.close()


def encoding_of(path: Path, sample: bytes, *, named: str | None = None) -> str:
    """The text encoding of a file that begins with ``sample``: ``named``, or what it shows itself.

    What is neither UTF-8 nor UTF-16 is cp1252, which everybody exports, where its words look it;
    else nothing is guessed, for names would be spoilt without a word. Raises BadInput for that and
    for binary content, UsageError for a name that is none.
    """
    if named is not None:
        try:
            return codecs.lookup(named).name
        except LookupError as error:
            raise UsageError(f"--encoding {named}: no such encoding; write cp1250, say") from error
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
        if not _looks_western(sample):
            raise BadInput(
                str(path),
                problem="neither UTF-8, UTF-16 nor the Western cp1252",
                hint="Say what it is: --encoding cp1250 (Central Europe), cp1251 (Cyrillic), …",
            ) from None
        return _WESTERN
    return "utf-8"


def _looks_western(sample: bytes) -> bool:
    """Whether the words with letters beyond ASCII look as in Western languages, read as cp1252."""
    try:
        text = sample.decode(_WESTERN)
    except UnicodeDecodeError:
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return sum(map(_looks_spoilt, words)) <= _MAX_ODD_SHARE * len(words)


def _looks_spoilt(word: str) -> bool:
    """Whether a word has what other alphabets become when they are read as cp1252.

    That is mostly accents (Cyrillic, Greek), signs beside letters (Polish, DOS), or a capital with
    accent inside (old Macs).
    """
    beyond = [sign for sign in word if not sign.isascii()]
    return any(map(str.isalpha, word)) and (
        (len(word) > 2 and 2 * len(beyond) > len(word))
        or any(not sign.isalpha() and sign not in _BESIDE_WORDS for sign in beyond)
        or _CAPITAL_INSIDE.search(word) is not None
    )


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
