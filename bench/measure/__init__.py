"""Measuring: engine processes, answers, pairs, memory, reports."""
