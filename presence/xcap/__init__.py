# SPDX-License-Identifier: Apache-2.0
"""XCAP (RFC 4825): documents of users, read and changed as a whole or node by node.

It knows no HTTP server, store or clock: `Server` says what a request makes of a document.
"""

from .conditions import UNCONDITIONAL, Conditions
from .document import Document
from .errors import ERROR_TYPE, Conflict, Refusal
from .paths import Target, owner_of
from .places import Bounds
from .server import METHODS, Change, Content, Limits, Server, Stored
from .uris import canonical
from .usage import GLOBAL, Entry, Library, Own, Usage
from .usages import all_usages

__all__ = [
    "ERROR_TYPE",
    "GLOBAL",
    "METHODS",
    "UNCONDITIONAL",
    "Bounds",
    "Change",
    "Conditions",
    "Conflict",
    "Content",
    "Document",
    "Entry",
    "Library",
    "Limits",
    "Own",
    "Refusal",
    "Server",
    "Stored",
    "Target",
    "Usage",
    "all_usages",
    "canonical",
    "owner_of",
]
