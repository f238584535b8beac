# SPDX-License-Identifier: Apache-2.0
"""The words of the ledger: steps, rules and outcomes, each with the sentence that explains it.

The words are stable: scripts and the command ``imsnode why`` rely on them. A rule names the
reason for a step, never the step itself.
"""

from __future__ import annotations

from typing import Final

# Steps
RECEIVED: Final = "received"
ANSWERED: Final = "answered"
STORED: Final = "stored"
REPLIED: Final = "replied"
NOT_STORED: Final = "not-stored"
EXPIRED: Final = "expired"
RECALLED: Final = "recalled"
RECEIPT: Final = "receipt"
ANCHORED: Final = "anchored"
SESSION_ENDED: Final = "session-ended"
CONCEALED: Final = "concealed"
TAKEN: Final = "session-taken"
IN_SESSION: Final = "in-session"
ENTERED: Final = "entered-room"
LEFT: Final = "left-room"
FILE: Final = "file"
PUSHED: Final = "pushed"

STEPS: Final[dict[str, str]] = {
    RECEIVED: "the message came in from its sender, who had proved who they are",
    ANSWERED: "a device gave its final answer, or none in time",
    STORED: "the message was committed to the store",
    NOT_STORED: "the message was not kept for devices that did not get it",
    REPLIED: "the sender got this answer",
    EXPIRED: "the deadline of the message passed in the store",
    RECALLED: "the message was taken back from the store",
    CONCEALED: "the message goes on without the name of its sender",
    ANCHORED: "an MSRP session was set up through this node",
    SESSION_ENDED: "the MSRP session ended here",
    TAKEN: "the node took an MSRP session in the place of the called user",
    IN_SESSION: "the message is one of an MSRP session",
    ENTERED: "a session with the chat room began",
    LEFT: "the session with the chat room ended",
    FILE: "a file passed in the MSRP session",
    PUSHED: "the push service of a device was asked to wake it",
    RECEIPT: "a disposition notification (IMDN) told of the message",
}

# Rules
FORWARDED: Final = "forwarded"
STORE_FIRST: Final = "store-first"
NO_BINDING: Final = "no-binding"
QUEUED_BEHIND: Final = "queued-behind"
NOBODY_ANSWERED: Final = "nobody-answered"
PATIENCE_OVER: Final = "patience-over"
OTHER_DEVICES: Final = "other-devices"
DEVICE_ACCEPTED: Final = "device-accepted"
DEVICE_REPEATED: Final = "device-knew-it"
DEVICE_REFUSED: Final = "device-refused"
USER_DECLINED: Final = "user-declined"
TRY_AGAIN: Final = "try-again"
STORE_OFF: Final = "store-off"
ONE_DEVICE: Final = "one-device"
ASLEEP: Final = "device-asleep"
NOT_STORABLE: Final = "not-storable"
ALREADY_EXPIRED: Final = "already-expired"
MAILBOX_FULL: Final = "mailbox-full"
BODY_TOO_LARGE: Final = "body-too-large"
COMMIT_FAILED: Final = "commit-failed"
COMMITTED: Final = "committed"
DUPLICATE: Final = "duplicate"
NOT_FORWARDABLE: Final = "not-forwardable"
FINAL_ANSWER: Final = "final-answer"
DEADLINE: Final = "deadline"
BY_SENDER: Final = "by-sender"
BY_OPERATOR: Final = "by-operator"
MALFORMED: Final = "malformed-content"
NOT_THE_SENDER: Final = "not-the-sender"
UNKNOWN_RECEIPT: Final = "unknown-receipt"
GATHERED: Final = "gathered"
HUNG_UP: Final = "hung-up"
REFUSED_CALL: Final = "call-refused"
CONNECTION_LOST: Final = "connection-lost"
TIMER_OVER: Final = "session-timer"
SESSION_IDLE: Final = "session-idle"
NODE_STOPPED: Final = "node-stopped"
NOBODY_THERE: Final = "nobody-there"
NOBODY_TOOK: Final = "nobody-took-the-call"
NO_SESSIONS: Final = "no-sessions"
BY_CALL: Final = "by-call"
TOOK_IN_SESSION: Final = "device-took-it-in-session"
REFUSED_IN_SESSION: Final = "device-refused-it-in-session"
INVITED: Final = "invited"
TO_ROOM: Final = "to-room"
NO_HISTORY: Final = "no-history"
NOT_IN_ROOM: Final = "not-in-room"
NO_VOICE: Final = "no-voice"
FILE_WHOLE: Final = "file-whole"
FILE_DIFFERS: Final = "file-differs"
FILE_TOO_LONG: Final = "file-too-long"
FILE_UNFINISHED: Final = "file-unfinished"
FILE_UNCHECKED: Final = "file-unchecked"

# What a notification says, of RFC 5438 section 11: disposition and status.
SAYS_DELIVERED: Final = "delivery-delivered"
SAYS_FAILED: Final = "delivery-failed"
SAYS_DISPLAYED: Final = "display-displayed"
SAYS_PROCESSED: Final = "processing-processed"
SAYS_STORED: Final = "processing-stored"
SAYS_NOTHING: Final[dict[str, str]] = {
    "delivery-forbidden": "the recipient lets nobody know whether it was delivered",
    "delivery-error": "whether it was delivered cannot be found out",
    "display-forbidden": "the recipient lets nobody know whether it was shown",
    "display-error": "whether it was shown cannot be found out",
    "processing-forbidden": "what became of it on its way is not told",
    "processing-error": "what became of it on its way cannot be found out",
}
PRIVACY: Final = "privacy"
DISTRIBUTE: Final = "distribute"
COPY: Final = "copy"
NO_SUCH_USER: Final = "no-such-user"
SENDER_BLOCKED: Final = "sender-blocked"
STRANGER: Final = "stranger"
STRANGER_AGAIN: Final = "stranger-again"
TYPE_NOT_TAKEN: Final = "type-not-taken"
TOO_LARGE_HERE: Final = "too-large-here"
MUTED: Final = "muted"
SENDER_TOO_FAST: Final = "sender-too-fast"
TOO_MANY_RECIPIENTS: Final = "too-many-recipients"
TOO_MANY_NEW: Final = "too-many-new-recipients"
CONTENT: Final = "content-rule"
CONTENT_UNKNOWN: Final = "content-rule-failed"

#: Rules of the screen: by them a message is refused or dropped, not because of what it met.
SCREENING: Final = frozenset(
    (
        SENDER_BLOCKED,
        STRANGER,
        STRANGER_AGAIN,
        TYPE_NOT_TAKEN,
        TOO_LARGE_HERE,
        SENDER_TOO_FAST,
        TOO_MANY_RECIPIENTS,
        TOO_MANY_NEW,
        CONTENT,
        CONTENT_UNKNOWN,
    )
)

RULES: Final[dict[str, str]] = {
    FORWARDED: "the recipient is reachable: forwarded to every device at once",
    STORE_FIRST: "the recipient's domain stores every message before trying a device",
    NO_BINDING: "no device of the recipient is registered: stored until one is",
    QUEUED_BEHIND: "older messages still wait for this device: queued behind them",
    NOBODY_ANSWERED: "every device failed for the moment: stored to be tried again",
    PATIENCE_OVER: "no device answered within defer_after: stored, the attempts go on",
    OTHER_DEVICES: "one device took it, others known to belong to the user did not: kept for them",
    DEVICE_ACCEPTED: "the device answered 2xx: delivered there",
    DEVICE_REPEATED: "the device recognised a repeat (482): it had taken the message before",
    DEVICE_REFUSED: "the device will never take it (4xx): not tried there again",
    USER_DECLINED: "delivered but refused (6xx): tried nowhere again",
    TRY_AGAIN: "the device failed for the moment: tried again later and when it registers",
    STORE_OFF: "storing is off for the recipient's domain",
    ASLEEP: "the device sleeps: it registers when it is awake, and gets the message then",
    ONE_DEVICE: "it was for one device alone (GRUU): never stored",
    NOT_STORABLE: "an is-composing notice is worth nothing later: never stored",
    ALREADY_EXPIRED: "the deadline (Date and Expires) had passed: not stored",
    MAILBOX_FULL: "as many messages wait for the recipient as may wait: refused",
    BODY_TOO_LARGE: "the body is larger than message_body_bytes: refused",
    COMMIT_FAILED: "the store could not commit it: never answered 202",
    COMMITTED: "the store has committed it: it will be delivered",
    DUPLICATE: "the same sender submitted the same message before: first answer repeated",
    NOT_FORWARDABLE: "the request asks for something that forbids forwarding it",
    FINAL_ANSWER: "the best answer of the recipient's devices goes back to the sender",
    DEADLINE: "the deadline (Expires, at most message_lifetime) passed: not delivered any more",
    BY_SENDER: "its sender recalled it: removed for every device that has not taken it",
    BY_OPERATOR: "the operator recalled it: removed for every device that has not taken it",
    MALFORMED: "the content is not what its Content-Type says: refused",
    NOT_THE_SENDER: "the From inside the content names somebody else than its sender: refused",
    UNKNOWN_RECEIPT: "the notification tells of no message that went this way: dropped",
    GATHERED: "it tells of a message to a list or group: its sender gets it together with others",
    SAYS_DELIVERED: "the device says that it has the message",
    SAYS_FAILED: "the message could not be delivered",
    SAYS_DISPLAYED: "the device says that the message was shown to its user",
    SAYS_PROCESSED: "this node or one behind it says that it passed the message on",
    SAYS_STORED: "this node or one behind it says that the message waits for the recipient",
    **SAYS_NOTHING,
    PRIVACY: "the sender does not want to be known to the recipient (Privacy, or anonymous From)",
    DISTRIBUTE: "sent to a list or group: every recipient gets a copy of their own",
    COPY: "a copy of a message to a list, a group or a broadcast; the Call-ID leads to the others",
    NO_SUCH_USER: "the recipient is not a user any more: no copy",
    SENDER_BLOCKED: "the recipient has blocked the sender",
    STRANGER: "the recipient does not take this from somebody they never wrote to",
    STRANGER_AGAIN: "a stranger has sent one message already and was not answered",
    TYPE_NOT_TAKEN: "the recipient or their domain does not take this type of content",
    TOO_LARGE_HERE: "the body is larger than the recipient or their domain takes",
    MUTED: "the recipient wants nothing for the moment: stored until then",
    SENDER_TOO_FAST: "the sender's domain lets nobody send so many messages a second",
    TOO_MANY_RECIPIENTS: "the sender has written to as many people as their domain allows an hour",
    TOO_MANY_NEW: "the sender has written to as many new people as their domain allows a day",
    CONTENT: "a content rule of the domain refuses it",
    CONTENT_UNKNOWN: "a content rule failed, and the domain takes nothing unjudged",
    HUNG_UP: "one of the two hung up",
    REFUSED_CALL: "the call was not taken",
    CONNECTION_LOST: "the connection to one of the two ended, or could not be made",
    TIMER_OVER: "nobody refreshed the session in time (RFC 4028)",
    SESSION_IDLE: "nothing passed for too long",
    NODE_STOPPED: "the node was stopped",
    NOBODY_THERE: "no device of the called user is registered: its messages are stored",
    NOBODY_TOOK: "no device of the called user took the call: its messages are stored",
    NO_SESSIONS: "the devices of the called user take no sessions: its messages are sent singly",
    BY_CALL: "it came in the session of this Call-ID",
    TOOK_IN_SESSION: "the device answered 200 in an MSRP session: delivered there",
    REFUSED_IN_SESSION: "the device refused it, or the session it was to come in",
    INVITED: "the room called the device",
    TO_ROOM: "sent to a chat room: everybody in it gets a copy in their session",
    NO_HISTORY: "the room keeps no history: nothing had to be committed",
    NOT_IN_ROOM: "who writes to the room does not belong to it",
    NO_VOICE: "the room lets its sender listen only",
    FILE_WHOLE: "all of the file passed; its size and hash are those announced, as far as any were",
    FILE_DIFFERS: "what passed is not the file that was announced: another size or hash",
    FILE_TOO_LONG: "more came than was announced: the session was ended",
    FILE_UNFINISHED: "the session ended before all of the file had passed",
    FILE_UNCHECKED: "only some of the file passed here, so it was held against nothing",
}


def explain(rule: str) -> str:
    """Return the sentence of a rule, "" for an unknown one; behind a colon it says which."""
    return RULES.get(rule.partition(":")[0], "")


# Outcomes
RELAYED: Final = "relayed"
REJECTED: Final = "rejected"
REFUSED: Final = "refused"
UNDECIDED: Final = "retrying"
DELIVERED: Final = "delivered"
DROPPED: Final = "dropped"
DISTRIBUTED: Final = "distributed"
ENDED: Final = "ended"

OUTCOMES: Final[dict[str, str]] = {
    RELAYED: "a device took it while the sender waited",
    REJECTED: "the sender was told that it was not delivered",
    STORED: "waits in the store, the sender got 202",
    DUPLICATE: "a repeat of a message that was taken before",
    DELIVERED: "a device took it from the store",
    REFUSED: "a device refused it for good",
    UNDECIDED: "a device could not take it yet",
    EXPIRED: "its deadline passed",
    RECALLED: "its sender or the operator took it back",
    DROPPED: "it was taken and not passed on",
    DISTRIBUTED: "copied to its recipients, and the sender was told so",
    ENDED: "a session, and it is over",
}

# Kinds of messages that are no messages to a person, and not counted as such.
IMDN: Final = "imdn"
COMPOSING: Final = "composing"
SESSION: Final = "session"
VISIT: Final = "visit"

KINDS: Final[dict[str, str]] = {
    IMDN: "a disposition notification (RFC 5438)",
    COMPOSING: "an is-composing notice (RFC 3994)",
    SESSION: "an MSRP session (RFC 4975)",
    VISIT: "a session with a chat room (RFC 7701)",
}
