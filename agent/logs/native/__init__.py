"""The part that is compiled: the search for many literals at once. Everything works without it, slower."""
