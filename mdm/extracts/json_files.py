"""JSON documents that hold a list of records, read piece by piece.

A document of gigabytes is never in memory as a whole: a scan for brackets outside of strings finds
where each record begins and ends, and the record's own text goes on as it is, so that a number
stays as written (``1.50``, ``1e5``, thirty digits).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from mdm.errors import BadInput
from mdm.extracts.model import Extract, Options
from mdm.extracts.text import too_long, utf8_chunks

# Anything up to the next bracket that is not inside a string. All quantifiers are possessive: an
# unfinished string at the end of a piece fails at once instead of trying all ways to split it.
_TO_BRACKET = re.compile(
    rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+[{}\[\]]', re.DOTALL
)
_KEY_BEFORE = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:\s*$', re.DOTALL)
_CLOSES = {0x5D: 0x5B, 0x7D: 0x7B}  # ] [ and } {
_LIST, _OBJECT = 0x5B, 0x7B
_NEWLINES = bytes.maketrans(b"\r\n", b"  ")
_HINT = "A file of one object per line is loaded under the ending .jsonl (or --format jsonl)."

Opener = Callable[[], AbstractContextManager[tuple[BinaryIO, BinaryIO]]]


def json_extract(path: Path, stream: BinaryIO, options: Options, *, again: Opener) -> Extract:
    """The records of the document's list: the one at ``options.json_path``, else the only one.

    ``again`` opens the file a second time: without a path, a first look finds the lists. Raises
    BadInput for what is no JSON and where there is no list, or more than one.
    """
    if options.json_path is not None:
        wanted: tuple[str, ...] = tuple(options.json_path.split("."))
    else:
        with again() as (first_look, _):
            wanted = _only_list(path, first_look, options)
    where = f"at {'.'.join(wanted)}" if wanted else "at the top"
    scan = _Scan(path, wanted, options.max_line_bytes)
    return Extract(description=f"JSON, records {where}", lines=scan.records(utf8_chunks(stream)))


def _only_list(path: Path, stream: BinaryIO, options: Options) -> tuple[str, ...]:
    """The path of the document's one list of objects; empty where the document is the list."""
    scan = _Scan(path, None, options.max_line_bytes)
    for chunk in scan.records(utf8_chunks(stream)):
        del chunk
    if scan.top_is_list:
        return ()
    lists = [name for name, objects_only in scan.lists.items() if objects_only]
    if len(lists) == 1:
        return (lists[0],)
    raise BadInput(
        str(path),
        problem="there is no single list of records"
        + (f" but {', '.join(lists)}" if lists else ""),
        hint="Name the list: --path customers (dots for nested keys).",
    )


@dataclass
class _Frame:
    """An open bracket: its kind, and the key it stands under in an object."""

    kind: int
    key: str | None


@dataclass
class _Scan:
    """One reading of a document. ``wanted`` None looks for lists instead of giving records."""

    path: Path
    wanted: tuple[str, ...] | None
    limit: int
    lists: dict[str, bool] = field(default_factory=dict)
    top_is_list: bool = False
    _open: list[_Frame] = field(default_factory=list)
    _line: int = 1
    _found: bool = False
    _inside: bool = False
    _first: bool = True
    #: The document without the records, to be checked as a whole at the end.
    _outline: bytearray = field(default_factory=bytearray)
    _outline_whole: bool = True

    def records(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The records of the wanted list, each checked to be JSON, on one line."""
        buffer = b""
        # of what is not done yet: where it begins, how far it is seen, its open brackets
        begun = at = depth = 0
        for chunk in chunks:
            buffer += chunk
            while match := _TO_BRACKET.match(buffer, at):
                at = match.end()
                bracket = buffer[at - 1]
                if depth:  # inside a record: only where it ends matters
                    depth += 1 if bracket in (_LIST, _OBJECT) else -1
                    if not depth:
                        if self.wanted is not None:
                            yield self._record(buffer[begun:at])
                        begun = at
                elif self._inside and bracket in (_LIST, _OBJECT):
                    yield from self._between(buffer[begun : at - 1])
                    begun, depth = at - 1, 1
                elif self.wanted is None and self._in_list and bracket == _OBJECT:
                    self._look_into_list(buffer[begun:at])
                    begun, depth = at - 1, 1
                else:
                    if self._inside:
                        yield from self._between(buffer[begun : at - 1], last=True)
                        begun = at - 1
                    self._outside(buffer[begun:at])
                    begun = at
            if self.wanted is None and self.top_is_list:
                return
            self._line += buffer.count(b"\n", 0, begun)
            buffer, at, begun = buffer[begun:], at - begun, 0
            if len(buffer) > self.limit:
                raise too_long(self.path, f"the record at line {self._line:,}", self.limit)
        self._end(buffer)

    def _outside(self, text: bytes) -> None:
        """One more bracket outside of the records, with the text before it."""
        self._remember(text)
        bracket = text[-1]
        if self._in_list:
            self._look_into_list(text)
        if bracket in _CLOSES:
            if not self._open or self._open[-1].kind != _CLOSES[bracket]:
                raise self._not_json("a bracket closes what it did not open")
            self._open.pop()
            self._inside = False
            return
        key = None
        if self._open and self._open[-1].kind == _OBJECT:
            named = _KEY_BEFORE.search(text, 0, len(text) - 1)
            if named is None:
                raise self._not_json("a value without a key")
            key = _text(named[1])
        if len(self._open) == 1 and bracket == _LIST and key is not None:
            self.lists[key] = True
        if not self._open and bracket == _LIST:
            self.top_is_list = True
        self._open.append(_Frame(bracket, key))
        if bracket == _LIST and self.wanted is not None and not self._found:
            path = tuple(frame.key for frame in self._open[1:])
            if path == self.wanted:
                self._found = self._inside = self._first = True

    def _between(self, text: bytes, *, last: bool = False) -> Iterator[bytes]:
        """What stands between two records of the list: a comma, or values that are no objects."""
        inner = text.strip()
        first, self._first = self._first, False
        if not first and not (last and not inner):
            if not inner.startswith(b","):
                raise self._not_json("a comma is missing between records")
            inner = inner[1:].lstrip()
            if last and not inner:
                raise self._not_json("a comma before the end of the list")
        if inner and not last:
            if not inner.endswith(b","):
                raise self._not_json("a comma is missing between records")
            inner = inner[:-1].rstrip()
            if not inner:
                raise self._not_json("nothing between two commas")
        if inner:
            yield from map(orjson.dumps, self._parsed(b"[" + inner + b"]"))

    @property
    def _in_list(self) -> bool:
        """Whether the next bracket stands in a list right below the top."""
        return len(self._open) == 2 and self._open[1].kind == _LIST

    def _look_into_list(self, text: bytes) -> None:
        """A list below the top is one of records as long as it holds nothing but objects."""
        if text[-1] == _LIST or text[:-1].strip(b", \t\r\n"):
            self.lists[self._open[1].key or ""] = False

    def _record(self, text: bytes) -> bytes:
        if len(text) > self.limit:
            raise too_long(self.path, f"the record at line {self._line:,}", self.limit)
        self._first = False
        self._parsed(text)
        # a line end cannot stand inside a JSON string, so outside of it a space says the same
        return text.translate(_NEWLINES) if b"\n" in text or b"\r" in text else text

    def _parsed(self, text: bytes) -> list[object]:
        try:
            return orjson.loads(text)  # type: ignore[no-any-return]
        except orjson.JSONDecodeError as error:
            raise self._not_json(error.msg.partition(":")[0]) from error

    def _remember(self, text: bytes) -> None:
        """Keep what is outside of the list, for the check at the end, while it is small."""
        if self._outline_whole and len(self._outline) + len(text) <= self.limit:
            self._outline += text
        else:
            self._outline_whole = False

    def _end(self, rest: bytes) -> None:
        self._remember(rest)
        if self._open:
            raise self._not_json("the document ends too early")
        # a first look leaves records out, and where it finds a list a second reading checks all
        if self._outline_whole and (self.wanted is not None or not self.lists):
            self._parsed(bytes(self._outline))
        if self.wanted is not None and not self._found:
            raise BadInput(str(self.path), problem=f"there is no list at {'.'.join(self.wanted)!r}")

    def _not_json(self, why: str) -> BadInput:
        return BadInput(
            str(self.path), problem=f"not JSON (line {self._line:,} or below): {why}", hint=_HINT
        )


def _text(quoted: bytes) -> str | None:
    try:
        return str(orjson.loads(quoted))
    except orjson.JSONDecodeError:
        return None
