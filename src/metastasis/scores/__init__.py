"""From patches to probabilities: scoring, the decision that goes with a model, intervals."""
