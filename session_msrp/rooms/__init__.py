# SPDX-License-Identifier: Apache-2.0
"""Chat rooms (RFC 7701) without sockets, clock or chance: what a room is, and what happens in it.

`values` are a room as it was provisioned and its messages, `edits` the changes that can be made to
it, `audit` what is written down of them, `ports` what a room needs of a store. `live` is a room
with those who are in it, `envelope` what a message says of its way, `switch` and `copying` send it
on, `nicknames` are prepared and compared as RFC 8266 asks, `conference` writes the roster for those
who follow it (RFC 4575).
"""
