# SPDX-License-Identifier: Apache-2.0
"""Content formats of messages, one module per format: octets in, octets out.

Readers raise ``sip.errors.ParseError`` and nothing else; what they keep of a content is the octets
that came.
"""
