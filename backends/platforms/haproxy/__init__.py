"""HAProxy's runtime API, shared by the serving adapter and the metrics adapter."""
