"""From a face's landmarks to angles in degrees."""
