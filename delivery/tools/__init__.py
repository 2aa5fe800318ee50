"""Third-party programs: how each is found and how it is run."""
