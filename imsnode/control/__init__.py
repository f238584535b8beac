# SPDX-License-Identifier: Apache-2.0
"""The control socket: how commands reach the running node."""

from __future__ import annotations
