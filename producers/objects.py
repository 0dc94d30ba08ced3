"""Where produced objects go: the two calls the producers need from a lake, and a folder that has
them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """The part of a lake that a producer uses; `mdm.lake.Lake` has it too."""

    def put(self, key: str, data: bytes) -> object:
        """Store `data` under `key`, replacing what was there."""
        ...

    def exists(self, key: str) -> bool:
        """True when an object of that key is stored."""
        ...


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

    def exists(self, key: str) -> bool:
        """True when the file is there."""
        return (self.root / key).is_file()
