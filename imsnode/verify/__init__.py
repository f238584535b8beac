# SPDX-License-Identifier: Apache-2.0
"""The conformance pack: flows of docs/reference/conformance.md, run as a client against any server.

A flow is a small file in `flows`; what it is given is a `Lab`, what came of it a `Result`.
"""
