"""From float to integers, with proof that the task survived."""
