"""The monitoring beside the service on one machine: what the cluster would run, from what the cluster would get."""
