"""An answer in which one alert does not fit the API: the others stay, and the source tells of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.alerts.alertmanager import AlertmanagerOptions, read_alerts
from backends.alerts.labels import Labels
from backends.dropped import Dropped
from backends.errors import Malformed
from tests.examples import examples
from tests.foreign import json_of

LABELS = Labels.of(AlertmanagerOptions(url="http://127.0.0.1:9"))
AT = "2026-11-20T03:00:00Z"
FOREIGN = json_of("labels", "alertname", "status", "state", "fingerprint", "startsAt", "annotations")


def alert(name: str) -> dict[str, object]:
    return {"labels": {"alertname": name}, "status": {"state": "active"}, "fingerprint": name, "startsAt": AT}


def names(*items: object) -> tuple[list[str], tuple[str, ...]]:
    dropped = Dropped()
    found = read_alerts(json.loads(json.dumps(items)), LABELS, "am", "am.test", dropped)
    return [one.name for one in found], dropped.remarks()


@examples(100)
@given(FOREIGN, st.integers(0, 2))
def test_whatever_an_item_holds_the_others_are_read(foreign: object, place: int) -> None:
    items: list[object] = [alert("HighErrorRate"), alert("Slow")]
    items.insert(place, foreign)
    found, remarks = names(*items)
    assert [name for name in found if name in ("HighErrorRate", "Slow")] == ["HighErrorRate", "Slow"]
    assert len(found) == 3 or len(remarks) == 1


@pytest.mark.parametrize("raw", [[5], {"status": "error"}, ["x", None], None])
def test_an_answer_without_any_alert_is_malformed(raw: object) -> None:
    with pytest.raises(Malformed):
        read_alerts(raw, LABELS, "am", "am.test")
    assert names() == ([], ())
