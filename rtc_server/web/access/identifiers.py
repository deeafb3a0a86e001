"""Ids as tokens and queries may have them: the platform's columns are INT."""

from typing import Annotated

from pydantic import Field

Identifier = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""Of a user or a module."""
SectionIdentifier = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""0 means none."""
