"""The differential test: generated rule-sets in the real kernel, real packets, and what the model says of them."""
