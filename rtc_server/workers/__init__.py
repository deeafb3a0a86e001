"""`serve --workers N`: one process for each core. The parent starts them, watches them, and does nothing else."""
