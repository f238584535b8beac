# SPDX-License-Identifier: Apache-2.0
"""pres-rules: who may see what of a user's presence (RFC 5025 9)."""

from __future__ import annotations

from typing import Final

from ..usage import Usage

__all__ = ["COMMON_POLICY", "PRES_RULES", "USAGE"]

COMMON_POLICY: Final = "urn:ietf:params:xml:ns:common-policy"
PRES_RULES: Final = "urn:ietf:params:xml:ns:pres-rules"

USAGE: Final = Usage(
    "pres-rules",
    namespace=PRES_RULES,
    media_type="application/auth-policy+xml",
    root=f"{{{COMMON_POLICY}}}ruleset",
    understood=(COMMON_POLICY,),
)
