"""HAProxy's runtime API, as its serving and its metrics adapter share it."""
