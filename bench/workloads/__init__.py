"""What is timed: one module a family, each with WORKLOADS, a dict by name."""
