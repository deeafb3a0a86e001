"""The composition: builds the parts and hands them to each other."""
