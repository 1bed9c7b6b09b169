"""What all models of sound share: front ends, features, augmentation, clips and raw input."""
