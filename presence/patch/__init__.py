# SPDX-License-Identifier: Apache-2.0
"""XML patch operations (RFC 5261): applied to a document, made from two."""

from .apply import apply_operations
from .errors import PatchError
from .make import make_operations

__all__ = ["PatchError", "apply_operations", "make_operations"]
