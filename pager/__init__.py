# SPDX-License-Identifier: Apache-2.0
"""Pager-mode messaging: forward, store, deliver later (RFC 3428)."""

from __future__ import annotations

from .errors import PagerError, SettingsError
from .ports import Bindings, Clock, ContentRule, Ledger, MessageStore, Observer, Screen
from .service import Pager
from .settings import PagerSettings, StoreMode
from .stats import PagerStats
from .values import (
    DeliveryMark,
    ExpiredMessage,
    LedgerEntry,
    MarkState,
    PendingMessage,
    Step,
    StoredMessage,
    StoreKind,
    StoreResult,
    Waiting,
)

__all__ = [
    "Bindings",
    "Clock",
    "ContentRule",
    "DeliveryMark",
    "ExpiredMessage",
    "Ledger",
    "LedgerEntry",
    "MarkState",
    "MessageStore",
    "Observer",
    "Pager",
    "PagerError",
    "PagerSettings",
    "PagerStats",
    "PendingMessage",
    "Screen",
    "SettingsError",
    "Step",
    "StoreKind",
    "StoreMode",
    "StoreResult",
    "StoredMessage",
    "Waiting",
]
