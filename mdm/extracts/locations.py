"""What the words of `mdm load` name: files, folders, patterns, objects of a bucket."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import urllib3
from pydantic import SecretStr

from mdm.errors import BadInput, ServiceDown, UsageError
from mdm.extracts import formats
from mdm.lake import Lake, ObjectGone
from mdm.services import Endpoints

_PATTERN = set("*?[")
_COPY_BYTES = 1 << 20


def files_of(word: str) -> list[Path]:
    """The files that ``word`` names, in order: itself, those of a folder, those of a pattern.

    A folder is taken with all below it; hidden files and unknown endings are passed over. Raises
    BadInput when there is no such file and when nothing matches.
    """
    path = Path(word)
    if path.is_dir():
        found = [file for file in path.rglob("*") if not _hidden(file.relative_to(path))]
        return _readable(word, found, "the folder holds no file of a known format")
    if not path.exists() and _PATTERN & set(word):
        found = [Path(name) for name in glob.glob(word, recursive=True)]
        return _readable(word, found, "no file matches")
    if not path.exists():
        raise BadInput(word, problem="no such file")
    return [path]


def is_remote(word: str) -> bool:
    """Whether ``word`` is the address of an object rather than a file."""
    return word.startswith(("s3://", "http://", "https://"))


@contextlib.contextmanager
def downloaded(url: str, endpoints: Endpoints | None) -> Iterator[Path]:
    """A copy of the object at ``url`` with its own name, removed at the end.

    ``s3://bucket/key`` is looked for where AWS_ACCESS_KEY_ID and its like point, else at the
    endpoint of the lake; ``https://`` is fetched as it is (a presigned URL). Raises BadInput when
    there is no such object, UsageError for an incomplete address.
    """
    scheme, _, rest = url.partition("://")
    place, _, key = rest.partition("/")
    # a key may hold '?' and '#', which in a web address end the path
    name = PurePosixPath(key if scheme == "s3" else urlsplit(url).path).name
    if not place or not name:
        raise UsageError(f"{_shown(url)}: write s3://bucket/key")
    folder = Path(tempfile.mkdtemp(prefix="mdm-extract-"))
    try:
        target = folder / name
        if scheme == "s3":
            _from_bucket(Lake(bucket_endpoints(endpoints, place)), key, target, url)
        else:
            _from_web(url, target)
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bucket_endpoints(
    lake: Endpoints | None, bucket: str, environment: Mapping[str, str] | None = None
) -> Endpoints:
    """Where ``bucket`` is and how to log in there: the environment's AWS variables, or the lake's.

    Raises UsageError when there is neither.
    """
    given = os.environ if environment is None else environment
    access, secret = given.get("AWS_ACCESS_KEY_ID"), given.get("AWS_SECRET_ACCESS_KEY")
    if access and secret:
        region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1"
        written = given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")
        address = urlsplit(written or f"https://s3.{region}.amazonaws.com")
        return Endpoints(
            database_url=lake.database_url if lake else SecretStr(""),
            s3_endpoint=address.netloc or address.path,
            s3_access_key=access,
            s3_secret_key=SecretStr(secret),
            s3_region=region,
            s3_secure=address.scheme == "https",
            bucket=bucket,
        )
    if lake is None:
        raise UsageError("s3:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a lake")
    return dataclasses.replace(lake, bucket=bucket)


def _from_bucket(lake: Lake, key: str, target: Path, url: str) -> None:
    try:
        with lake.open(key) as stream, target.open("wb") as file:
            shutil.copyfileobj(stream, file, _COPY_BYTES)
    except ObjectGone as error:
        raise BadInput(url, problem="no such object") from error
    except ServiceDown as error:
        if error.reason != "NoSuchBucket":
            raise
        raise BadInput(url, problem=f"no such bucket ({error.address})") from error


def _from_web(url: str, target: Path) -> None:
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=10, read=60), retries=2)
    try:
        answer = pool.request("GET", url, preload_content=False)
        try:
            if answer.status != 200:
                raise BadInput(_shown(url), problem=f"the server answers {answer.status}")
            with target.open("wb") as file:
                shutil.copyfileobj(answer, file, _COPY_BYTES)
        finally:
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise BadInput(_shown(url), problem=f"cannot be fetched: {type(error).__name__}") from error


def _shown(url: str) -> str:
    """The address without what may be a signature."""
    return url.partition("?")[0]


def _readable(word: str, found: list[Path], problem: str) -> list[Path]:
    files = sorted(file for file in found if file.is_file() and formats.is_known(file))
    if not files:
        raise BadInput(word, problem=problem, hint=f"Known: {formats.known()}.")
    return files


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
