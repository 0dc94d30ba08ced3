"""A switchboard from delivery to decision, through the command line."""

from __future__ import annotations

import json
from typing import Any

from tests.staging.test_shared_values import NAMES

HEADER = "id,name,email,phone,dob,city\n"


def test_a_steward_sees_and_lifts_a_shared_mailbox(mdm: Any) -> None:
    rows = [f"{i},{name},info@acme.com,,,Town {i}" for i, name in enumerate(NAMES)]
    mdm.write("people.csv", HEADER + "\n".join(rows) + "\n")
    assert mdm("load", "people.csv", "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    customers = mdm.rows("SELECT count(*), count(canonical_email) FROM gold.dim_customers")
    assert customers == [["12", "12"]]  # nobody merged, and golden records have the address

    assert mdm("shared-values", "list", "--json") == 0, mdm.err
    (entry,) = map(json.loads, mdm.out.splitlines())
    assert (entry["value"], entry["state"], entry["name_n"]) == ("info@acme.com", "FOUND", 12)
    assert mdm("explain", "crm:0", "crm:1") == 0, mdm.err
    assert "crm:0 has email info@acme.com: shared by 12 different names" in mdm.out

    words = ("LIFT", "email", "info@acme.com", "--steward", "maria", "--reason", "a family's own")
    assert mdm("shared-values", "decide", *words) == 0, mdm.err
    assert mdm("shared-values", "list", "--state", "LIFTED") == 0, mdm.err
    assert "said maria: a family's own" in mdm.out
    assert mdm.rows("SELECT count(*) FROM staging.profiles WHERE email IS NOT NULL") == [["12"]]
    assert mdm("check") == 0, mdm.out

    assert mdm("shared-values", "decide", "LIFT", "email", "x@y.z", "--reason", "who?") == 2
    assert "No record has the email 'x@y.z'" in mdm.err
