# SPDX-License-Identifier: Apache-2.0
"""What every table of settings is made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["DAY", "HOUR", "KIB", "MINUTE", "Table", "live", "restart"]

KIB = 1024
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


# Any: what stands as the default has the type of the field it stands for, as with pydantic's Field.
def live(default: Any, description: str, **bounds: Any) -> Any:
    """Declare a setting that `imsnode reload` applies to the running node."""
    return Field(default, description=description, json_schema_extra={"apply": "live"}, **bounds)


def restart(default: Any, description: str, **bounds: Any) -> Any:
    """Declare a setting that takes effect when the node starts."""
    return Field(default, description=description, json_schema_extra={"apply": "restart"}, **bounds)


class Table(BaseModel):
    """Base of all tables: frozen, no unknown keys, defaults checked like given values."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
