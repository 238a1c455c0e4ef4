"""Inputs that a fuzzer grows by the branches they take (make fuzz)."""
