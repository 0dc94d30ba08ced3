"""What the embedded S3 server promises, so that the lake can rely on it; see its docstring."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error

from mdm.services import embedded_postgres, embedded_s3
from mdm.services import home as homes
from mdm.services.embedded_s3 import Server

BUCKET = "contract"
KEY = "sales/dt=2026-11-19/hr=03/sales_1.jsonl.gz"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home with a running server for the tests that only put and get."""
    path = tmp_path_factory.mktemp("s3") / "home"
    embedded_s3.start(path, bucket=BUCKET, port=0)
    yield path
    embedded_s3.stop(path)


@pytest.fixture
def lake(shared: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Minio, str]]:
    """A client and an empty bucket named after the test."""
    bucket = request.node.originalname.replace("_", "-")[:60].rstrip("-")
    server = embedded_s3.start(shared, bucket=bucket, port=0)
    pool = urllib3.PoolManager()
    yield client(server, pool), bucket
    pool.clear()


def client(server: Server, pool: urllib3.PoolManager, *, secret: str | None = None) -> Minio:
    return Minio(
        server.endpoint,
        access_key=server.access_key,
        secret_key=secret or server.secret_key.get_secret_value(),
        secure=False,
        region="us-east-1",
        http_client=pool,
    )


def put(s3: Minio, bucket: str, key: str, body: bytes) -> str:
    return str(s3.put_object(bucket, key, io.BytesIO(body), len(body)).etag)


def get(s3: Minio, bucket: str, key: str) -> bytes:
    response = s3.get_object(bucket, key)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def listed(s3: Minio, bucket: str, prefix: str = "", start_after: str | None = None) -> list[str]:
    found = s3.list_objects(bucket, prefix, recursive=True, start_after=start_after)
    return [str(each.object_name) for each in found]


class Pattern(io.BytesIO):
    """A stream of `size` bytes that was never whole in memory."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, size: int | None = -1) -> bytes:
        taken = self.left if size is None or size < 0 else min(size, self.left)
        start = self.left % 8
        self.left -= taken
        return (b"6543210\n"[-start or 8 :] + b"6543210\n" * (taken // 8 + 1))[:taken]


def test_an_empty_bucket_lists_nothing(lake: tuple[Minio, str]) -> None:
    s3, bucket = lake
    assert listed(s3, bucket) == []
    assert s3.bucket_exists(bucket)
    assert not s3.bucket_exists("absent")


@pytest.mark.parametrize(
    "key", [KEY, "a b/ü+%.jsonl", "x/" + "k" * 200, "q?&=#/y.jsonl", "one/'quoted'.csv"]
)
def test_what_is_put_is_seen_and_read_at_once(shared: Path, key: str) -> None:
    server = embedded_s3.start(shared, bucket="keys", port=0)
    s3 = client(server, urllib3.PoolManager())
    put(s3, "keys", key, b'{"a":1}\n')
    assert key in listed(s3, "keys")
    assert get(s3, "keys", key) == b'{"a":1}\n'
    s3.remove_object("keys", key)
    assert key not in listed(s3, "keys")


def test_the_etag_is_that_of_the_content(lake: tuple[Minio, str]) -> None:
    s3, bucket = lake
    for body in (b"first\n", b"other\n", b""):
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        assert put(s3, bucket, KEY, body) == digest
        assert s3.stat_object(bucket, KEY).etag == digest
        (entry,) = s3.list_objects(bucket, recursive=True)
        assert (entry.etag, entry.size) == (digest, len(body))
        assert entry.last_modified is not None
        assert abs(entry.last_modified.timestamp() - time.time()) < 60


def test_more_than_one_page_of_objects_is_listed_in_order_by_prefix_and_from_a_key_on(
    lake: tuple[Minio, str],
) -> None:
    s3, bucket = lake
    keys = [f"sales/dt=2026-11-19/hr={i % 24:02}/sales_{i:05}.jsonl" for i in range(1200)]
    for key in keys:
        put(s3, bucket, key, b"{}\n")
    keys.sort()
    assert listed(s3, bucket) == keys
    assert listed(s3, bucket, "sales/dt=2026-11-19/hr=1") == [k for k in keys if "/hr=1" in k]
    after = "sales/dt=2026-11-19/hr=12/"
    assert listed(s3, bucket, "sales/", after) == [key for key in keys if key > after]
    folders = [str(each.object_name) for each in s3.list_objects(bucket, "sales/dt=2026-11-19/")]
    assert folders == [f"sales/dt=2026-11-19/hr={hour:02}/" for hour in range(24)]


def test_200_megabytes_go_in_as_a_stream_and_come_back(lake: tuple[Minio, str]) -> None:
    s3, bucket = lake
    size = 200 * 2**20
    answer = s3.put_object(bucket, "big.jsonl", Pattern(size), -1, part_size=16 * 2**20)
    assert str(answer.etag).endswith("-13"), "the answer to parts is not the listing's ETag"
    expected = hashlib.md5(usedforsecurity=False)
    source = Pattern(size)
    while piece := source.read(2**20):
        expected.update(piece)
    received = hashlib.md5(usedforsecurity=False)
    response = s3.get_object(bucket, "big.jsonl")
    for piece in response.stream(2**20):
        received.update(piece)
    response.release_conn()
    assert received.digest() == expected.digest()
    (entry,) = s3.list_objects(bucket)
    assert (entry.size, entry.etag) == (size, expected.hexdigest())


def test_a_range_can_be_read(lake: tuple[Minio, str]) -> None:
    s3, bucket = lake
    put(s3, bucket, KEY, b"0123456789")
    response = s3.get_object(bucket, KEY, offset=2, length=3)
    assert response.read() == b"234"
    response.release_conn()


def test_a_file_put_into_the_folder_by_hand_is_an_object_soon(
    lake: tuple[Minio, str], shared: Path
) -> None:
    s3, bucket = lake
    put(s3, bucket, "drop/one.jsonl", b"1\n")
    assert listed(s3, bucket) == ["drop/one.jsonl"]
    (embedded_s3.lake(shared) / bucket / "drop" / "two.jsonl").write_bytes(b"2\n")
    time.sleep(2.2)
    assert listed(s3, bucket) == ["drop/one.jsonl", "drop/two.jsonl"]


def test_a_listing_reads_no_file_twice(lake: tuple[Minio, str], shared: Path) -> None:
    s3, bucket = lake
    put(s3, bucket, "kept.jsonl", b"1\n")
    file = embedded_s3.lake(shared) / bucket / "kept.jsonl"

    def etag_after(content: bytes, modified_ns: int) -> str | None:
        file.write_bytes(content)
        os.utime(file, ns=(modified_ns, modified_ns))
        time.sleep(2.2)
        return next(iter(s3.list_objects(bucket))).etag

    def etag_of(content: bytes) -> str:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    first = file.stat().st_mtime_ns
    # What has the size and the time of before is taken for what was read: nobody looks inside.
    assert etag_after(b"2\n", first) == etag_of(b"1\n")
    assert etag_after(b"2\n", first + 10**6) == etag_of(b"2\n")
    assert etag_after(b"12\n", first + 10**6) == etag_of(b"12\n")


def test_what_is_absent_is_told_by_one_of_two_errors(lake: tuple[Minio, str]) -> None:
    s3, bucket = lake
    with pytest.raises(S3Error) as missing:
        s3.stat_object(bucket, "absent")
    assert missing.value.code == "NoSuchKey"
    with pytest.raises(InvalidResponseError, match="NoSuchKey"):
        s3.get_object(bucket, "absent")
    s3.remove_object(bucket, "absent")  # deleting nothing is no error, as on S3


@pytest.mark.parametrize("key", ["a//b", "a/../b"])
def test_a_key_that_is_no_path_is_refused(lake: tuple[Minio, str], key: str) -> None:
    s3, bucket = lake
    with pytest.raises((InvalidResponseError, S3Error, ValueError)):
        put(s3, bucket, key, b"x")
    assert listed(s3, bucket) == []


def test_wrong_or_no_keys_see_nothing(shared: Path) -> None:
    server = embedded_s3.start(shared, bucket=BUCKET, port=0)
    pool = urllib3.PoolManager()
    for stranger in (
        client(server, pool, secret="wrong"),
        Minio(server.endpoint, secure=False, region="us-east-1", http_client=pool),
    ):
        with pytest.raises((S3Error, InvalidResponseError)):
            list(stranger.list_objects(BUCKET))
    secret = server.secret_key.get_secret_value()
    assert secret not in repr(server)
    assert secret not in " ".join(psutil.Process(server.pid).cmdline())
    pool.clear()


def test_started_twice_is_one_and_stopped_is_stopped(home: Path) -> None:
    first = embedded_s3.start(home, bucket=BUCKET, port=0)
    assert embedded_s3.start(home, bucket=BUCKET, port=0) == first
    assert embedded_s3.status(home).state == "running"
    assert embedded_s3.stop(home) is True
    assert embedded_s3.stop(home) is False
    assert embedded_s3.status(home).state == "stopped"


def test_a_killed_server_comes_back_with_its_objects_and_no_half_ones(
    home: Path, quiet_port: Callable[[], int]
) -> None:
    port = quiet_port()
    server = embedded_s3.start(home, bucket=BUCKET, port=port)
    pool = urllib3.PoolManager()
    put(client(server, pool), BUCKET, KEY, b"kept\n")
    process = psutil.Process(server.pid)
    process.kill()
    process.wait(timeout=10)  # until then its port is taken
    half = embedded_s3.lake(home) / BUCKET / "sales" / ".rclone_temp_put_1"
    half.write_bytes(b"hal")
    again = embedded_s3.start(home, bucket=BUCKET, port=port)
    assert again.pid != server.pid
    assert again.endpoint == server.endpoint
    assert listed(client(again, pool), BUCKET) == [KEY]
    assert get(client(again, pool), BUCKET, KEY) == b"kept\n"
    assert not half.exists()
    pool.clear()


def test_a_pid_file_that_names_a_living_stranger_is_not_believed(home: Path) -> None:
    server = embedded_s3.start(home, bucket=BUCKET, port=0)
    embedded_s3.stop(home)
    (home / "s3" / "pid").write_text(f"{os.getpid()} {server.endpoint.rpartition(':')[2]}\n")
    assert embedded_s3.status(home).state == "stopped"
    assert embedded_s3.stop(home) is False
    assert embedded_s3.start(home, bucket=BUCKET, port=0).pid != os.getpid()


def test_a_taken_port_gives_another_that_is_remembered_and_told(
    home: Path, quiet_port: Callable[[], int]
) -> None:
    wanted = quiet_port()
    with socket.create_server(("127.0.0.1", wanted)):
        server = embedded_s3.start(home, bucket=BUCKET, port=wanted)
        assert server.endpoint != f"127.0.0.1:{wanted}"
        assert str(wanted) in server.note
        assert not embedded_s3.start(home, bucket=BUCKET, port=wanted).note, (
            "told once, by the start"
        )
    embedded_s3.stop(home)
    assert embedded_s3.start(home, bucket=BUCKET, port=wanted).endpoint == server.endpoint


def test_both_servers_of_a_home_share_its_credentials_file(home: Path) -> None:
    embedded_s3.start(home, bucket=BUCKET, port=0)
    made = homes.read_credentials(home)
    embedded_postgres.start(home, port=0, durable=False)
    assert homes.read_credentials(home) == made
