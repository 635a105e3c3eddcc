"""What everything else stands on: failures, passwords, tokens."""
