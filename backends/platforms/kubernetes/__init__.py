"""Kubernetes, as every adapter on it needs it: requests, watched stores, permissions, and the making of calls."""
