"""Measurements, run by ``make bench``. They judge nothing: figures go to the screen and to ``bench-*.json``."""
