# SPDX-License-Identifier: Apache-2.0
"""SIP without input or output: messages, transactions, dialogs, proxy and registrar rules.

Nothing in this package opens a socket, reads a clock or draws a random number; those come in as
arguments. The asyncio shell that supplies them is ``sip.aio``.
"""
