from __future__ import annotations

from doctor_facts import HEALTHY, state

from edgecv.doctor import CHECKS, Finding, diagnose


def test_a_healthy_machine_has_no_problem() -> None:
    found = diagnose(HEALTHY)
    assert {finding.status for finding in found} == {"ok", "skipped"}
    assert not any(finding.fix for finding in found)


def test_findings_come_in_the_order_of_the_table() -> None:
    assert [finding.name for finding in diagnose(HEALTHY)] == list(CHECKS)


def test_what_is_not_well_has_a_fix() -> None:
    facts = state(
        packages={"numpy": "2.4.6", "tflite-runtime": "2.14.0"},
        conditions={"throttled": 0x50005, "available_mb": 10.0},
        python={"version": (3, 15), "bits": 32, "libc": "musl"},
    )
    found = [finding for finding in diagnose(facts) if finding.status in ("broken", "warning")]
    assert len(found) >= 7
    assert all(finding.what and finding.fix for finding in found)


def test_every_check_says_in_a_sentence_what_it_looks_at() -> None:
    assert all((check.__doc__ or "").startswith("Whether ") for check in CHECKS.values())
    assert len(set(CHECKS.values())) == len(CHECKS)


def test_a_finding_goes_into_json() -> None:
    finding = Finding("clock", "ok", "it is set", "")
    assert finding.to_dict() == {"name": "clock", "status": "ok", "what": "it is set", "fix": ""}
