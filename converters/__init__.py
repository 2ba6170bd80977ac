"""From a trained model to the files that devices run."""
