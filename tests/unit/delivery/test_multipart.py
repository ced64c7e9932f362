from __future__ import annotations

from worker.delivery import multipart


def test_large_files_stay_within_ten_thousand_parts() -> None:
    assert multipart.part_size(1) == multipart.PART_BYTES
    for size in (
        multipart.PART_BYTES * multipart.MAX_PARTS,
        multipart.PART_BYTES * multipart.MAX_PARTS + 1,
        5 * 1024**4,
    ):
        assert -(-size // multipart.part_size(size)) <= multipart.MAX_PARTS
