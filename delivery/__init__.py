"""Delivery: what the workflows call, and a person can run by hand, between a commit and running pods."""
