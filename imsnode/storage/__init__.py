# SPDX-License-Identifier: Apache-2.0
"""What a node keeps: accounts, bindings, messages, ledger; on SQLite, PostgreSQL or in memory."""

from __future__ import annotations

from .accounts import Accounts
from .archive_block import Archived
from .archive_read import LATEST, Page, Query, read_page, since, start_of
from .binding_codec import AorState
from .cdr import CdrSettings
from .choices import Choices
from .contacts import Contact
from .database import Database
from .documents import DocumentKey, Documents, DocumentWrite, Outcome
from .erasure import Eraser, export_user, without_senders
from .errors import (
    AccountExists,
    AccountUnknown,
    GroupRefused,
    ImportRefused,
    JobRefused,
    SchemaOutdated,
    SchemaTooNew,
    StorageError,
    StorageUnavailable,
    StoreDamaged,
)
from .evidence import evidence, gather, gather_newest
from .groups import GroupStore
from .integrity import CheckReport
from .jobs import JobReport, JobTable
from .listing import MessageRow, list_messages, show_message
from .locations import Locations, read_locations, remove_bindings
from .parcels import recover_parcels
from .peers import StoredPeers
from .policies import UserPolicies
from .profiles import StoredProfiles
from .recalls import find_copies, withdraw_now
from .reports import Report, Reports, make_report
from .requests import Claim, Claimed
from .rooms import Rooms, RoomTable
from .services import ServiceAccount, ServiceAccounts
from .sms import Part, Sent, ShortMessages
from .states import DeviceState, MessageState, State, message_states, state_of
from .store import Storage, StorageSettings, open_storage
from .story import Fate, Story, find_story
from .tokens import Tokens

__all__ = [
    "LATEST",
    "AccountExists",
    "AccountUnknown",
    "Accounts",
    "AorState",
    "Archived",
    "CdrSettings",
    "CheckReport",
    "Choices",
    "Claim",
    "Claimed",
    "Contact",
    "Database",
    "DeviceState",
    "DocumentKey",
    "DocumentWrite",
    "Documents",
    "Eraser",
    "Fate",
    "GroupRefused",
    "GroupStore",
    "ImportRefused",
    "JobRefused",
    "JobReport",
    "JobTable",
    "Locations",
    "MessageRow",
    "MessageState",
    "Outcome",
    "Page",
    "Part",
    "Query",
    "Report",
    "Reports",
    "RoomTable",
    "Rooms",
    "SchemaOutdated",
    "SchemaTooNew",
    "Sent",
    "ServiceAccount",
    "ServiceAccounts",
    "ShortMessages",
    "State",
    "Storage",
    "StorageError",
    "StorageSettings",
    "StorageUnavailable",
    "StoreDamaged",
    "StoredPeers",
    "StoredProfiles",
    "Story",
    "Tokens",
    "UserPolicies",
    "evidence",
    "export_user",
    "find_copies",
    "find_story",
    "gather",
    "gather_newest",
    "list_messages",
    "make_report",
    "message_states",
    "open_storage",
    "read_locations",
    "read_page",
    "recover_parcels",
    "remove_bindings",
    "show_message",
    "since",
    "start_of",
    "state_of",
    "withdraw_now",
    "without_senders",
]
