"""The HTTP API of a running node against requests made up from its own OpenAPI document."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.running import RunningNode

EXAMPLES = 10  # of each operation; the whole test stays well below 20 s
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SETTINGS = """
[limits]
message_rate = 100000
[api]
rate = 100000
burst = 1000000
[pager]
mailbox_messages = 1000000
[content]
domains = ["ims.test"]
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_made_up_requests_get_documented_answers(tmp_path: Path) -> None:
    """No 5xx, no undocumented status, no answer that the document does not describe."""
    with RunningNode(tmp_path / "node", extra=SETTINGS) as node:
        node.command("service", "add", "sip:box@ims.test")
        token = node.command("token", "add", "fuzz", "--scope", "admin").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        schema = schemathesis.openapi.from_dict(node.get("/api/v1/openapi.json").json())
        asked: set[str] = set()
        for found in schema.get_all_operations():
            operation = found.ok()

            @hypothesis.settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy())
            def ask(case: schemathesis.Case) -> None:
                asked.add(f"{case.method} {case.path}")
                case.call_and_validate(
                    base_url=f"http://{node.http}/api/v1", headers=headers, checks=CHECKS
                )

            ask()
        assert {"POST /messages", "GET /messages/{id}"} <= asked
        assert node.metric("imsnode_faults_total") == 0
        assert "API request failed" not in node.log()
