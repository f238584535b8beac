# SPDX-License-Identifier: Apache-2.0
"""Settings that stand once for each: domains, listeners."""

from __future__ import annotations

from .events import Standing
from .messages import BlockAnswer, Large, StoreMode, Strangers
from .table import KIB, Table, live
from .types import (
    Algorithm,
    Asks,
    DomainName,
    ListenAddress,
    MediaType,
    Octets,
    OptionalPath,
    Retention,
    RuleName,
)

__all__ = ["Domain", "ListenerSettings"]


class Domain(Table):
    """What one domain does differently from the rest."""

    name: DomainName = live(..., "The domain; one of `domains`.")
    store: StoreMode | None = live(None, "As pager.store, for recipients in this domain.")
    algorithms: tuple[Algorithm, ...] | None = live(
        None, "As auth.algorithms, for users of this domain.", min_length=1
    )
    certificate: OptionalPath = live(
        None, "As tls.certificate, for TLS clients that name this domain (SNI)."
    )
    key: OptionalPath = live(None, "As tls.key, for the domain's own certificate.")
    history: Retention | None = live(None, "As history.retention, for users of this domain.")
    carbons: bool | None = live(None, "As history.carbons, for users of this domain.")
    large: Large | None = live(None, "As pager.large, for senders of this domain.")
    block_answer: BlockAnswer | None = live(None, "As policy.block_answer, for users here.")
    strangers: Strangers | None = live(None, "As policy.strangers, for users here.")
    watchers: Standing | None = live(None, "As presence.strangers, for users here.")
    types: tuple[MediaType, ...] | None = live(None, "As policy.types, for users here.")
    message_size: Octets | None = live(
        None, "As policy.message_size, for users here.", ge=0, le=1024 * KIB
    )
    message_rate: float | None = live(
        None, "As policy.message_rate, for users here.", ge=0, le=100_000
    )
    message_burst: int | None = live(
        None, "As policy.message_burst, for users here.", ge=1, le=1_000_000
    )
    fan_out: int | None = live(None, "As policy.fan_out, for users here.", ge=0, le=1_000_000)
    new_recipients: int | None = live(
        None, "As policy.new_recipients, for users here.", ge=0, le=1_000_000
    )
    country_code: str = live(
        "",
        "Country code of the numbers that users here write without it, such as 49.",
        pattern="^([1-9][0-9]{0,2})?$",
    )
    national_prefix: str = live(
        "0",
        "What stands in front of an area code in numbers of this country; may be empty.",
        pattern="^[0-9]{0,3}$",
    )
    international_prefix: str = live(
        "00", "What stands in front of the code of another country.", pattern="^[0-9]{0,5}$"
    )
    area_code: str = live(
        "",
        "Area code of numbers that begin with neither prefix; without one they are nobody's.",
        pattern="^[0-9]{0,6}$",
    )
    rules: tuple[RuleName, ...] | None = live(None, "As policy.rules, for users here.")


class ListenerSettings(Table):
    """What one listener does differently from the rest."""

    address: ListenAddress = live(..., "The listener as written in `listen`.")
    algorithms: tuple[Algorithm, ...] | None = live(
        None, "As auth.algorithms, for requests that arrive here.", min_length=1
    )
    client_certificates: Asks | None = live(
        None, "As tls.client_certificates, for those who connect here."
    )
