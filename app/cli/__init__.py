"""The command `taskpulse`: one file for each group of commands."""
