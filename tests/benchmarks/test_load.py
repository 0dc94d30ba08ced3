"""The benchmark of loading, on a little data."""

from __future__ import annotations

import pytest

from benchmarks import load


@pytest.mark.parametrize("kind", load.FORMATS)
def test_a_file_is_loaded_and_measured(kind: str) -> None:
    result = load.measure(300, kind=kind)
    assert (result["records"], result["format"], result["objects"]) == (300, kind, 1)
    assert result["seconds"] > 0
    assert result["peak_rss_mib"] > 10
