"""Where produced objects go: the two calls the producers need from a lake, and a folder that has
them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Stored(Protocol):
    """An object as listed."""

    @property
    def key(self) -> str:
        """Its name in the store."""
        ...


class ObjectStore(Protocol):
    """The part of a lake that a producer uses; `mdm.lake.Lake` has it too."""

    def put(self, key: str, data: bytes) -> object:
        """Store `data` under `key`, replacing what was there."""
        ...

    def list(self, prefix: str = "") -> Iterable[Stored]:
        """The objects whose keys begin with `prefix`."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a `FolderStore`, as listed."""

    key: str


class FolderStore:
    """An object store that is a folder: key = path below `root`. To look at data, and for tests."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        """Write the object through a neighbour file, so that a reader never sees half of it."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(data)
        os.replace(partial, path)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """The files whose keys begin with `prefix`, in order; none when there is no folder."""
        for path in sorted(self.root.rglob("*")):
            key = path.relative_to(self.root).as_posix()
            if path.is_file() and key.startswith(prefix):
                yield StoredFile(key)
