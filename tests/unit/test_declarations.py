# SPDX-License-Identifier: Apache-2.0
"""The .pxd files name every attribute of the classes they type: compiled, there are no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECLARED = sorted(
    path
    for top in ("sip", "pager", "presence", "session_msrp", "imsnode")
    for path in (ROOT / top).rglob("*.pxd")
)
_CLASS = re.compile(r"^cdef class (\w+)(?:\((\w+)\))?:\n((?:[ \t]+.*\n|\n)*)", re.MULTILINE)
_FIELD = re.compile(r"^    cdef (?:public |readonly )?(?:long long|\w+) ([\w, ]+)$", re.MULTILINE)


def declared(text: str) -> dict[str, tuple[str, set[str]]]:
    """Return the base and the attributes of each class that a .pxd declares."""
    classes: dict[str, tuple[str, set[str]]] = {}
    for name, base, body in _CLASS.findall(text):
        found = {field.strip() for fields in _FIELD.findall(body) for field in fields.split(",")}
        classes[name] = base, found
    return classes


EVERYWHERE = {
    name: found for path in DECLARED for name, found in declared(path.read_text()).items()
}


def assigned(node: ast.ClassDef) -> set[str]:
    """Return the attributes that a class sets on ``self``, its properties left out."""
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    properties = {method.name for method in methods if method.decorator_list}
    return {
        part.attr
        for method in methods
        for part in ast.walk(method)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id == "self"
    } - properties


@pytest.mark.parametrize("path", DECLARED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_attribute_is_declared(path: Path) -> None:
    source = path.with_suffix(".py")
    nodes = {
        node.name: node
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    for name in declared(path.read_text()):
        missing = assigned(nodes[name])
        base = name
        while base:
            base, fields = EVERYWHERE[base]
            missing -= fields
        assert not missing, f"{path.name} lacks attributes of {name}"
