# SPDX-License-Identifier: Apache-2.0
"""Documents of event packages: pure functions over XML, without clock, chance or IO."""
