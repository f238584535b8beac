# SPDX-License-Identifier: Apache-2.0
"""Counters of the pager service: plain integers that only rise, read when somebody asks."""

from __future__ import annotations


class PagerStats:
    """What the service has done since it started.

    submitted: messages handed in. relayed: a recipient's 2xx went back. passed_on: another
    final answer of a recipient went back. stored: 202 after commit. copies: stored for further
    devices of a recipient who was reached. duplicates: repeats recognised. refused_*: answered
    by the service itself. dropped: turned away without a word. held: stored for a user who wants
    nothing for the moment. attempts, delivered, refused_by_device, retries: from the store.
    expired: deadline passed in the store. unsettled: 200 went out but the copy for the other
    devices could not be kept. store_failures: commits, marks and reads that failed.
    """

    __slots__ = (
        "attempts",
        "copies",
        "delivered",
        "dropped",
        "duplicates",
        "expired",
        "held",
        "passed_on",
        "refused_by_device",
        "refused_content",
        "refused_full",
        "refused_policy",
        "refused_size",
        "refused_store",
        "refused_unavailable",
        "relayed",
        "retries",
        "store_failures",
        "stored",
        "submitted",
        "unsettled",
    )

    def __init__(self) -> None:
        self.submitted = 0
        self.relayed = 0
        self.passed_on = 0
        self.stored = 0
        self.copies = 0
        self.duplicates = 0
        self.dropped = 0
        self.held = 0
        self.refused_size = 0
        self.refused_content = 0
        self.refused_policy = 0
        self.refused_full = 0
        self.refused_store = 0
        self.refused_unavailable = 0
        self.attempts = 0
        self.delivered = 0
        self.refused_by_device = 0
        self.retries = 0
        self.expired = 0
        self.unsettled = 0
        self.store_failures = 0
