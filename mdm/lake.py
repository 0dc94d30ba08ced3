"""The lake: JSON lines in any S3 bucket, through the MinIO SDK."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from mdm.errors import MdmError, ServiceDown

if TYPE_CHECKING:
    from mdm.services import Endpoints

T = TypeVar("T")

_PARTITION = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})(?:/hr=(\d{2}))?/")
_ATTEMPTS = 5
_MISSING = ("NoSuchKey", "NoSuchObject")


class ObjectGone(MdmError):
    """An object was deleted between listing it and reading it."""


class StreamBroken(ServiceDown):
    """The lake went away in the middle of an object; reading that anew may succeed."""


@dataclass(frozen=True)
class LakeObject:
    """One object as listed: its key, a tag that changes with its content, bytes and time."""

    key: str
    etag: str
    size: int
    last_modified: datetime

    @property
    def at(self) -> datetime:
        """The hour that its key names (``dt=…/hr=…``), else when it was last modified."""
        match = _PARTITION.search(self.key)
        if match is None:
            return self.last_modified
        day, hour = match.groups()
        try:
            return datetime.fromisoformat(f"{day}T{hour or '00'}:00:00+00:00")
        except ValueError:
            return self.last_modified


class Lake:
    """A bucket of JSON lines objects. Every call retries what may pass and names what will not."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoint = endpoints.s3_endpoint
        self.bucket = endpoints.bucket
        #: Calls that had to be repeated so far.
        self.retries = 0
        self._client = Minio(
            endpoints.s3_endpoint,
            access_key=endpoints.s3_access_key,
            secret_key=endpoints.s3_secret_key.get_secret_value(),
            region=endpoints.s3_region,
            secure=endpoints.s3_secure,
            # our own retries are the only ones: the SDK's would hide a dead server for minutes
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=5, read=60), maxsize=8, retries=False
            ),
        )

    def ensure_bucket(self) -> None:
        """Make the bucket when it is not there."""

        def make() -> None:
            if not self._client.bucket_exists(self.bucket):
                self._client.make_bucket(self.bucket)

        self._call(make)

    def put(self, key: str, data: bytes) -> None:
        """Write one object, replacing what the key held."""
        self._call(
            lambda: self._client.put_object(
                self.bucket, key, io.BytesIO(data), len(data), content_type="application/x-ndjson"
            )
        )

    def put_file(self, key: str, file: Path) -> None:
        """Write one object from a file, part by part, replacing what the key held."""
        self._call(lambda: self._client.fput_object(self.bucket, key, str(file)))

    def remove(self, key: str) -> None:
        """Take an object out of the lake; no fault when it is not there."""
        self._call(lambda: self._client.remove_object(self.bucket, key))

    def exists(self, key: str) -> bool:
        """Whether the key holds an object."""
        return self.etag(key) is not None

    def etag(self, key: str) -> str | None:
        """The content tag of an object; None when there is none."""

        def stat() -> str | None:
            try:
                tag = self._client.stat_object(self.bucket, key).etag
            except (S3Error, InvalidResponseError) as error:
                if _is_missing(error):
                    return None
                raise
            return (tag or "").strip('"')

        return self._call(stat)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[LakeObject]:
        """The objects below ``prefix`` by key, after the key ``start_after``."""
        listed = self._call(
            lambda: list(
                self._client.list_objects(
                    self.bucket, prefix=prefix, recursive=True, start_after=start_after
                )
            )
        )
        for entry in sorted(listed, key=lambda entry: str(entry.object_name)):
            if entry.is_dir or not entry.object_name:
                continue
            # not every server honours start-after, so it is applied here as well
            if start_after is not None and entry.object_name <= start_after:
                continue
            yield LakeObject(
                key=entry.object_name,
                etag=(entry.etag or "").strip('"'),
                size=entry.size or 0,
                last_modified=(entry.last_modified or datetime.fromtimestamp(0, UTC)),
            )

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[Any]:
        """A binary stream of the object's bytes, closed and released at the end.

        Raises ObjectGone when the key holds nothing any more and StreamBroken when the lake goes
        away while the object is read.
        """
        response = self._call(lambda: self._client.get_object(self.bucket, key))
        try:
            yield response
        except urllib3.exceptions.HTTPError as error:
            raise self._down(
                f"{type(error).__name__} in the middle of {key}", StreamBroken
            ) from error
        finally:
            response.close()
            response.release_conn()

    def _call(self, action: Callable[[], T]) -> T:
        """What ``action`` returns, after retries of faults that may pass (back-off with jitter)."""
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=0.2, max=5.0),
            retry=retry_if_exception(_may_pass),
            reraise=True,
            before_sleep=self._count,
        )
        try:
            return retrying(action)
        except (S3Error, InvalidResponseError) as error:
            if _is_missing(error):
                raise ObjectGone("an object that was listed is no longer in the lake") from error
            raise self._down(_code(error) or "an answer that is not S3's") from error
        except (urllib3.exceptions.HTTPError, ServerError, OSError) as error:
            raise self._down(type(error).__name__) from error

    def _count(self, state: RetryCallState) -> None:
        self.retries += 1

    def _down(self, reason: str, kind: type[ServiceDown] = ServiceDown) -> ServiceDown:
        return kind(
            "The lake (S3)",
            address=f"{self.endpoint}, bucket {self.bucket}",
            hint="Start it with `mdm services up`, or correct S3_ENDPOINT and its keys.",
            reason=reason,
        )


def _is_missing(error: S3Error | InvalidResponseError) -> bool:
    """Whether the fault says that a key holds no object."""
    return _code(error) in _MISSING


def _code(error: S3Error | InvalidResponseError) -> str | None:
    """What the server calls the fault.

    Some servers (rclone) label their error answers with a type that the SDK does not read as an
    S3 error; the code then stands in the text.
    """
    if isinstance(error, S3Error):
        return str(error.code)
    found = re.search("<Code>(.+?)</Code>", str(error))
    return found[1] if found else None


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, S3Error):
        return error.code in ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout")
    return isinstance(error, (urllib3.exceptions.HTTPError, ServerError, ConnectionError))
