# SPDX-License-Identifier: Apache-2.0
"""multipart/form-data, in whatever pieces it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from imsnode.http.form import BadForm, boundary_of, form_parts

FORM = (
    b'passed over\r\n--b\r\nContent-Disposition: form-data; name="tid"\r\n'
    b"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nt-1\r\n--b\r\n"
    b'content-disposition: form-data; name=File; filename="a b.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\r\n--cu\r\n--\r\n--b--"
)


async def pieces(form: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(form), size):
        yield form[start : start + size]


async def read(form: bytes, size: int = 1000) -> list[tuple[str, str, str, int | None, bytes]]:
    return [
        (
            one.name,
            one.filename,
            one.content_type,
            one.size,
            b"".join([c async for c in one.chunks]),
        )
        async for one in form_parts(pieces(form, size), b"b")
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
async def test_parts_come_whole_however_they_are_cut(size: int) -> None:
    assert await read(FORM, size) == [
        ("tid", "", "text/plain", 3, b"t-1"),
        ("File", "a b.png", "image/png", None, b"\r\n--cu\r\n--"),
    ]


async def test_what_nobody_reads_is_passed_over() -> None:
    assert [part.name async for part in form_parts(pieces(FORM, 4), b"b")] == ["tid", "File"]


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"--b",
        FORM[:-4],
        FORM[:90],
        b"--b--",
        b"--bx\r\n",
        b"--b\r\n" + b"x" * 5000,
        b"x" * 9000,
    ],
)
async def test_broken_forms(form: bytes) -> None:
    if form == b"--b--":
        assert await read(form) == []  # a form may have no part at all
        return
    with pytest.raises(BadForm):
        await read(form)


async def test_a_value_is_short() -> None:
    async for part in form_parts(pieces(FORM, 1000), b"b"):
        with pytest.raises(BadForm):
            await part.text(2)
        return


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [("multipart/form-data; boundary=b", b"b"), ('multipart/form-data; Boundary="a b"', b"a b")],
)
def test_boundaries(kind: str, boundary: bytes) -> None:
    assert boundary_of(kind) == boundary


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "a/b; boundary=" + "x" * 71, 'boundary=""']
)
def test_no_boundary(kind: str) -> None:
    with pytest.raises(BadForm):
        boundary_of(kind)
