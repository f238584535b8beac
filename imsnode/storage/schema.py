# SPDX-License-Identifier: Apache-2.0
"""The tables, as they are after the newest migration, for SQLite and PostgreSQL alike.

What the hot path writes goes to the end of its table: keys ascend. The one index that has to be
searched and filled in no order is the primary key of ``mailbox``, which recognises duplicates and
finds what waits for a recipient; it is filled later (`imsnode.storage.entries`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

__all__ = [
    "COPIES",
    "DUE_ENTRIES",
    "DUE_EXPIRY",
    "DUE_FORGET",
    "KNOWN_REVISIONS",
    "NEIGHBOURS",
    "OPEN",
    "REVISION",
    "SETTLED",
    "account",
    "aka_card",
    "api_request",
    "api_token",
    "archive_block",
    "archive_brief",
    "archive_index",
    "archive_run",
    "binding_journal",
    "contact",
    "document",
    "document_uri",
    "due",
    "fate",
    "history_choice",
    "job",
    "job_batch",
    "ledger_block",
    "ledger_index",
    "mailbox",
    "member",
    "message",
    "metadata",
    "parcel",
    "peer",
    "public_identity",
    "publication_journal",
    "recipient_group",
    "room",
    "room_event",
    "room_member",
    "room_message",
    "service",
    "service_profile",
    "sms_part",
    "sms_sent",
    "spam_report",
    "subscription_journal",
    "user_policy",
]

# Revisions of migrations/versions this release can start from, oldest first.
KNOWN_REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
)
REVISION = KNOWN_REVISIONS[-1]

# mailbox.state, which only rises
OPEN = 0  # waits, nobody took it
COPIES = 1  # somebody took it, further devices wait
SETTLED = 2  # kept to recognise a resend

# Messages with consecutive numbers, from a multiple on, that share an entry of due where they can.
NEIGHBOURS = 64

# due.kind
DUE_EXPIRY = 0  # at a deadline: settle what is overdue among the neighbours of a message
DUE_FORGET = 1  # at settled_at: forget it once duplicate_memory has passed
DUE_ENTRIES = 2  # at 0: messages from this one on may lack their entries in mailbox

metadata = MetaData()

# An INTEGER PRIMARY KEY is the row id itself in SQLite, a BIGINT one would be a second index.
_Seq = BigInteger().with_variant(Integer(), "sqlite")
# Compared by octets in both engines, whatever the locale of the server.
_Exact = Text().with_variant(Text(collation="C"), "postgresql")

account = Table(
    "account",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("login", _Exact, nullable=False),
    Column("realm", _Exact, nullable=False),
    Column("ha1_md5", Text, nullable=False),
    Column("ha1_sha256", Text, nullable=False),
    Column("ha1_sha512_256", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("algorithms", Text, nullable=False),
    Column("rfc2069", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# SIM cards. sealed: K and OPc (imsnode.identity.vault). reserved: up to which SEQ may be used.
aka_card = Table(
    "aka_card",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("amf", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Further addresses of an account, in their order.
public_identity = Table(
    "public_identity",
    metadata,
    Column("uri", _Exact, primary_key=True),
    Column("aor", _Exact, nullable=False),
    Column("place", Integer, nullable=False),
    Column("barred", Boolean, nullable=False),
    Index("public_identity_of", "aor"),
    sqlite_with_rowid=False,
)

# What a user wants; lists are one entry a line.
user_policy = Table(
    "user_policy",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("block", Text, nullable=False),
    Column("allow", Text, nullable=False),
    Column("types", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("strangers", Text, nullable=False),
    Column("muted_until", Double, nullable=False),
    sqlite_with_rowid=False,
)

# XCAP documents, by octets as they were put; owner "" stands for the global tree.
document = Table(
    "document",
    metadata,
    Column("owner", _Exact, primary_key=True),
    Column("auid", _Exact, primary_key=True),
    Column("name", _Exact, primary_key=True),
    Column("etag", _Exact, nullable=False),
    Column("changed", Double, nullable=False),
    Column("octets", LargeBinary, nullable=False),
)

# URIs that a document has for itself: no other can claim them.
document_uri = Table(
    "document_uri",
    metadata,
    Column("uri", _Exact, primary_key=True),
    Column("owner", _Exact, nullable=False),
    Column("auid", _Exact, nullable=False),
    Column("name", _Exact, nullable=False),
    Index("document_uri_of", "owner", "auid", "name"),
    sqlite_with_rowid=False,
)

# Who has had to do with whom: `sent` says that the owner wrote to the other, else the other did.
contact = Table(
    "contact",
    metadata,
    Column("owner", _Exact, primary_key=True),
    Column("other", _Exact, primary_key=True),
    Column("sent", Boolean, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

spam_report = Table(
    "spam_report",
    metadata,
    Column("id", _Exact, primary_key=True),
    Column("at", Double, nullable=False),
    Column("reporter", _Exact, nullable=False),
    Column("how", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message_id", _Exact, nullable=False),
    Column("sender", _Exact, nullable=False),
    Column("recipient", _Exact, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_hash", Text, nullable=False),
    sqlite_with_rowid=False,
)

# One row is the whole state of an AoR; the newest row of an AoR counts.
binding_journal = Table(
    "binding_journal",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("aor", _Exact, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# One row is the whole of a subscription or publication; the newest row of a number counts.
subscription_journal = Table(
    "subscription_journal",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("resource", _Exact, nullable=False),
    Column("watcher", _Exact, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

publication_journal = Table(
    "publication_journal",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("resource", _Exact, nullable=False),
    Column("package", _Exact, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

message = Table(
    "message",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("id", _Exact, nullable=False),
    Column("recipient", _Exact, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("settled_at", Double),
    Column("sender", _Exact, nullable=False),
    Column("call_id", LargeBinary, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("devices", Text, nullable=False),
    Column("offered", Text, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("recipient", _Exact, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

fate = Table(
    "fate",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("device", _Exact, primary_key=True),
    Column("state", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("status", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# What has to be looked at when its time comes. No message waits without an entry, not later than
# its deadline, that names it or a neighbour; settled ones are passed over.
due = Table(
    "due",
    metadata,
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", Double, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Entries that were noted together are a block: they are written and removed as one row. What is
# read to find a message is apart from the lines, so that a look-up leaves those alone.
ledger_block = Table(
    "ledger_block",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("lines", LargeBinary, nullable=False),
)

ledger_index = Table(
    "ledger_index",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("ended", Double, nullable=False),
    Column("checksums", LargeBinary, nullable=False),
)

# scopes, senders: words with a space between.
api_token = Table(
    "api_token",
    metadata,
    Column("id", _Exact, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("senders", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    sqlite_with_rowid=False,
)

# answer: "" until there is one.
api_request = Table(
    "api_request",
    metadata,
    Column("token", _Exact, primary_key=True),
    Column("key", _Exact, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
    Column("answer", Text, nullable=False),
    Index("api_request_at", "at"),
    sqlite_with_rowid=False,
)

# Filter criteria (TS 29.228) of a user, or of "*@DOMAIN": everybody there who has none.
service_profile = Table(
    "service_profile",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("document", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Other servers that commands made known. settings: those of a [[peer]] table, as JSON.
peer = Table(
    "peer",
    metadata,
    Column("name", _Exact, primary_key=True),
    Column("settings", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Parts of messages of a message centre that are not complete. septets: one to an octet.
sms_part = Table(
    "sms_part",
    metadata,
    Column("source", _Exact, primary_key=True),
    Column("destination", _Exact, primary_key=True),
    Column("reference", Integer, primary_key=True, autoincrement=False),
    Column("total", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("coding", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)

# Short messages that a message centre took, until it says what became of them. number: the part,
# of total. asked: the head of a CPIM message whose sender wants to know, without its content.
sms_sent = Table(
    "sms_sent",
    metadata,
    Column("smsc", _Exact, primary_key=True),
    Column("id", _Exact, primary_key=True),
    Column("message_id", _Exact, nullable=False),
    Column("sender", _Exact, nullable=False),
    Column("recipient", _Exact, nullable=False),
    Column("call_id", LargeBinary, nullable=False),
    Column("asked", LargeBinary, nullable=False),
    Column("total", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Index("sms_sent_at", "at"),
    Index("sms_sent_message", "message_id"),
    sqlite_with_rowid=False,
)

# Accounts whose messages a program takes. webhook: "" when they are fetched.
service = Table(
    "service",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("webhook", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("events", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

# The archive: messages written together are a block, and whose they are is told by sorted runs of
# entries (imsnode.storage.archive_index). Numbers of blocks are milliseconds, each higher than the
# last, so that they go on rising when everything old was removed.
archive_block = Table(
    "archive_block",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("until", Double, nullable=False, index=True),
    Column("messages", LargeBinary, nullable=False),
)

archive_run = Table(
    "archive_run",
    metadata,
    Column("seq", _Seq, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("until", Double, nullable=False),
)

archive_index = Table(
    "archive_index",
    metadata,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("entries", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Messages that go when they have been displayed: each has a block of its own.
archive_brief = Table(
    "archive_brief",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What users chose for their own history; "" stands for what holds for their domain. Positions below
# floor were written for somebody who had the address before.
history_choice = Table(
    "history_choice",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("retention", Text, nullable=False),
    Column("carbons", Text, nullable=False),
    Column("floor", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

recipient_group = Table(
    "recipient_group",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("owner", _Exact, nullable=False),
    Column("senders", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    sqlite_with_rowid=False,
)

# A member is a user here or elsewhere, or another group.
member = Table(
    "member",
    metadata,
    Column("group_aor", _Exact, primary_key=True),
    Column("member", _Exact, primary_key=True),
    sqlite_with_rowid=False,
)

# A message to many that is sent batch by batch. The numbers of its messages are in job_batch.
job = Table(
    "job",
    metadata,
    Column("id", _Exact, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sender", _Exact, nullable=False),
    Column("address", _Exact, nullable=False),
    Column("rate", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("call_id", LargeBinary, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("total", Integer, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("cursor", _Exact, nullable=False),
)

job_batch = Table(
    "job_batch",
    metadata,
    Column("job", _Exact, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Copies that go straight to devices, until these have answered; then what recognises a repeat.
# job: whose batch it was, "" for none. copies: a line each, with id, recipient and devices.
# recipients: a line each. total, delivered: how many they were, and were taken at once.
parcel = Table(
    "parcel",
    metadata,
    Column("id", _Seq, primary_key=True, autoincrement=False),
    Column("job", _Exact, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("sender", _Exact, nullable=False),
    Column("call_id", LargeBinary, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("to_each", Boolean, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("copies", Text, nullable=False),
    Column("recipients", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("settled_at", Double),
    Index("parcel_identity", "identity"),
    Index("parcel_settled", "settled_at"),
)

# A message to many whose receipts are gathered. recipients: a line each, "" for the members of the
# group that the address is. disclosed: its sender may know who they are.
counted = Table(
    "counted",
    metadata,
    Column("id", _Exact, primary_key=True),
    Column("sender", _Exact, nullable=False),
    Column("address", _Exact, nullable=False),
    Column("call_id", LargeBinary, nullable=False),
    Column("author", LargeBinary, nullable=False),
    Column("imdn_id", LargeBinary, nullable=False),
    Column("dated", Text, nullable=False),
    Column("original", Text, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("recipients", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("disclosed", Boolean, nullable=False),
    Column("until", Double, nullable=False),
    sqlite_with_rowid=False,
)

# What a recipient said about such a message, and whether its sender was told.
receipt = Table(
    "receipt",
    metadata,
    Column("counted", _Exact, primary_key=True),
    Column("recipient", _Exact, primary_key=True),
    Column("kind", _Exact, primary_key=True),
    Column("failed", Boolean, nullable=False),
    Column("told", Boolean, nullable=False),
    Column("document", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# retention, idle: seconds. expires_at: 0 for never.
room = Table(
    "room",
    metadata,
    Column("aor", _Exact, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("access", Text, nullable=False),
    Column("moderated", Boolean, nullable=False),
    Column("nicknames", Boolean, nullable=False),
    Column("private_messages", Boolean, nullable=False),
    Column("history", Integer, nullable=False),
    Column("retention", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("idle", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    sqlite_with_rowid=False,
)

# seen: the number of the newest message that has reached the member.
room_member = Table(
    "room_member",
    metadata,
    Column("room", _Exact, primary_key=True),
    Column("member", _Exact, primary_key=True),
    Column("role", Text, nullable=False),
    Column("banned", Boolean, nullable=False),
    Column("muted", Boolean, nullable=False),
    Column("nickname", Text, nullable=False),
    Column("pager", Boolean, nullable=False),
    Column("seen", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers are microseconds, each higher than the last, so that they go on rising when everything old
# was removed.
room_message = Table(
    "room_message",
    metadata,
    Column("number", _Seq, primary_key=True, autoincrement=False),
    Column("room", _Exact, nullable=False),
    Column("id", _Exact, nullable=False),
    Column("sender", _Exact, nullable=False),
    Column("nickname", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("room_message_of", "room", "number"),
)

# What happened in rooms, but for what was said. Numbers as above. actor: a user, or a word for who
# is none.
room_event = Table(
    "room_event",
    metadata,
    Column("number", _Seq, primary_key=True, autoincrement=False),
    Column("room", _Exact, nullable=False),
    Column("at", Double, nullable=False),
    Column("act", Text, nullable=False),
    Column("actor", _Exact, nullable=False),
    Column("who", _Exact, nullable=False),
    Column("detail", Text, nullable=False),
    Index("room_event_of", "room", "number"),
)
