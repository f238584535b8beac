# SPDX-License-Identifier: Apache-2.0
"""Reports of a run: for the terminal, for programs (JUnit XML), as one page (HTML)."""
