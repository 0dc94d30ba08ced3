"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mdm.errors import MdmError, UsageError

#: The file that every exported folder holds: what is in it. A folder without it is not ours, and
#: ``--force`` does not replace it.
MANIFEST: Final = "_export.json"


def check_target(target: Path, *, is_folder: bool, force: bool) -> None:
    """Raise UsageError when ``target`` may not be written."""
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder")
    if not os.path.lexists(target):
        return
    if not force:
        raise UsageError(f"{target} is there already; name another target or add --force")
    if is_folder != target.is_dir():
        found = "a folder" if target.is_dir() else "a file"
        raise UsageError(f"{target} is {found}, as this export is not; name another target")
    if is_folder and not (target / MANIFEST).is_file():
        raise UsageError(
            f"{target} is a folder that no export made (it has no {MANIFEST}); --force replaces "
            "exports only. Name another target."
        )


@contextlib.contextmanager
def whole(target: Path, *, is_folder: bool, force: bool) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its name when the block ends without error.

    Otherwise what stands under the name stays as it was. Raises UsageError when the target may not
    be written, both before the work and after it, should the target have appeared meanwhile, and
    MdmError when the disk refuses.
    """
    check_target(target, is_folder=is_folder, force=force)
    label = uuid.uuid4().hex[:12]
    partial = target.with_name(f".export-{label}.partial")
    try:
        if is_folder:
            partial.mkdir()
        yield partial
        for path in [partial, *partial.rglob("*")] if is_folder else [partial]:
            _to_disk(path)
        check_target(target, is_folder=is_folder, force=force)
        if is_folder and target.is_dir():
            former = target.with_name(f".export-{label}.former")
            target.rename(former)
            partial.rename(target)
            shutil.rmtree(former)
        else:
            partial.replace(target)
        _to_disk(target.parent)
    except OSError as error:
        raise MdmError(
            f"{target} cannot be written: {error.strerror or error}. Nothing was exported."
        ) from error
    finally:
        if is_folder:
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # what went wrong before is what to tell
                partial.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
