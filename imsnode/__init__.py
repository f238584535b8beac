# SPDX-License-Identifier: Apache-2.0
"""imsnode: a SIP/IMS messaging node."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
