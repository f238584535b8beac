# SPDX-License-Identifier: Apache-2.0
"""The node in an IMS: application server behind an S-CSCF (ISC), and a small S-CSCF for labs.

The rules (who is served, charging vectors, filter criteria, third-party registrations) are pure;
`application_server` and `scscf` join them to the node.
"""
