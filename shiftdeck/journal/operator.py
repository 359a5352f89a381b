"""Who acts: the name that entries of the journal have."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping


def current_operator(env: Mapping[str, str] | None = None) -> str:
    """Who acts: ``$SHIFTDECK_OPERATOR``, else the login name; under sudo, the user who called it."""
    env = os.environ if env is None else env
    if named := env.get("SHIFTDECK_OPERATOR", "").strip():
        return named
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        user = f"uid {os.getuid()}"
    behind = env.get("SUDO_USER", "")
    return f"{behind} (sudo {user})" if behind and behind != user else user
