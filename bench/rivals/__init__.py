"""What others would build for the same job, each a program of its own; `bench.peers` measures them.

They run with the packages of the dependency group `bench` (see `bench.rival_packages`), and share the stock
FaceMesh and an answer as long as the old service's.
"""
