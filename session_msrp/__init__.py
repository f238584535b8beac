# SPDX-License-Identifier: Apache-2.0
"""Session mode: MSRP (RFC 4975, RFC 4976) without sockets, clock or chance.

From octets to meaning: `framer` cuts a stream into `chunk`s, `session` is one end of a session
(`outbox` sends, `reassembly` receives, `transactions` waits for answers), `media` is what SDP says
of it, `anchor` joins two legs, `relay` is the relay of RFC 4976 (`authorizing`
answers AUTH, `grants` are its URIs).
"""
