"""The API for those who read the numbers, `/api/v1`: one module an endpoint.

`schemas` has the form of every request and answer, `openapi` describes them from the same models.
"""
