"""From a dataset to a trained Keras model: recipes, data, losses, the loop."""
