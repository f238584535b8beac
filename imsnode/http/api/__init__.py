# SPDX-License-Identifier: Apache-2.0
"""The HTTP API below /api/v1: for programs that send, fetch and ask about messages."""

from __future__ import annotations

from .app import make_api
from .auth import Bearer, TokenLimits
from .broadcasts import broadcast_operations
from .files import FileAccess, file_operations, link_to
from .history import HistoryAccess, Own, history_operations
from .messages import message_operations
from .operation import Call, Operation, Security
from .problems import Problem
from .rcs_files import rcs_file_operations
from .reports import report_operations
from .rooms import room_operations
from .services import service_operations
from .shares import share_operations

__all__ = [
    "Bearer",
    "Call",
    "FileAccess",
    "HistoryAccess",
    "Operation",
    "Own",
    "Problem",
    "Security",
    "TokenLimits",
    "broadcast_operations",
    "file_operations",
    "history_operations",
    "link_to",
    "make_api",
    "message_operations",
    "rcs_file_operations",
    "report_operations",
    "room_operations",
    "service_operations",
    "share_operations",
]
