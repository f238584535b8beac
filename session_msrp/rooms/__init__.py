# SPDX-License-Identifier: Apache-2.0
"""Chat rooms (RFC 7701) without sockets, clock or chance: what a room is, who may do what in it.

`values` are a room as it was provisioned and its messages, `edits` the changes that can be made to
it, `audit` what is written down of them, `ports` what a room needs of a store.
"""
