# SPDX-License-Identifier: Apache-2.0
"""The HTTP listener: health and metrics, and the server that runs in the node's own loop."""

from __future__ import annotations
