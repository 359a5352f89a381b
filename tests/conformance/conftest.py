"""The third party's module can be imported here; its own tests run where its distribution is installed, in
tests/contract/test_packaging.py."""

from __future__ import annotations

import sys
from pathlib import Path

collect_ignore = ["thirdparty"]
sys.path.insert(0, str(Path(__file__).parent / "thirdparty"))
