"""Peers of the cost job, and how an answer is compared with theirs."""
