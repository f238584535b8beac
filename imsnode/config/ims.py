# SPDX-License-Identifier: Apache-2.0
"""Settings of the node's roles in an IMS: application server, and S-CSCF of a lab."""

from __future__ import annotations

from typing import Literal

from .table import MINUTE, Table, live
from .types import OptionalName, Seconds

__all__ = ["Ims"]


class Ims(Table):
    """What the node tells and expects between the servers of an IMS."""

    ioi: OptionalName = live(
        "",
        "Inter-operator identifier in P-Charging-Vector, of requests and answers of the node's "
        "own; without one the first domain.",
    )
    deliver: Literal["terminating", "originating"] = live(
        "terminating",
        "In which session case an S-CSCF gets what the node itself sends to a user there. "
        "originating: as the sender's request, with the orig parameter and P-Served-User.",
    )
    answer_within: Seconds = live(
        4.0,
        "As S-CSCF: how long an application server may be silent before the default handling of "
        "its filter criterion applies.",
        ge=0.1,
        le=MINUTE,
    )
