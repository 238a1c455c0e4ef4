"""Secrets taken out of texts before anybody else sees them."""
