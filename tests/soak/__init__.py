"""Long runs: hundreds of changes under faults, kills, rivals, clocks that jump, and signals. See docs/testing.md."""
