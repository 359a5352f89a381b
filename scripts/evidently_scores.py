"""Runs Evidently on samples. ``tests/contract/test_drift_evidently.py`` compares this program's scores with its scores.

It runs in the environment that has Evidently. It reads ``{"columns": [{"name", "method", "kind", "reference": [...],
"live": [...]}]}`` from stdin, and writes a list with Evidently's ``snapshot.json()`` for each column.
"""

from __future__ import annotations

import json
import sys
import warnings


def main() -> None:
    warnings.filterwarnings("ignore")
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    reports = []
    for one in json.load(sys.stdin)["columns"]:
        name = one["name"]
        known = {"numerical_columns" if one["kind"] == "number" else "categorical_columns": [name]}
        live, reference = (
            Dataset.from_pandas(pd.DataFrame({name: one[side]}), DataDefinition(**known))
            for side in ("live", "reference")
        )
        snapshot = Report([ValueDrift(column=name, method=one["method"])]).run(live, reference)
        reports.append(json.loads(snapshot.json()))
    json.dump(reports, sys.stdout)


if __name__ == "__main__":
    main()
