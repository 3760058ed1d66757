"""Benchmarks: programs that print their input, machine and medians."""
