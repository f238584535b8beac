# SPDX-License-Identifier: Apache-2.0
"""Transactions: tables of the RFC, the engines that run them, and the map of live ones."""

from .client import TIMEOUT, TRANSPORT, ClientTransaction
from .layer import TransactionLayer
from .server import ServerTransaction

__all__ = ["TIMEOUT", "TRANSPORT", "ClientTransaction", "ServerTransaction", "TransactionLayer"]
