"""What p2player reaches on this machine, beside what plain tools reach in the same minutes."""
