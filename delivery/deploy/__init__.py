"""From a commit and an image to pods that run it, or back to those that did."""
