"""What a larger network says of the pictures that a smaller one learns from."""
