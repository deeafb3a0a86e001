"""Several servers as one: who is there, who takes a newcomer, and what teachers see of all of them.

Each server (a worker) tells a Redis every second that it is there. While Redis is away each goes on by itself.
"""
