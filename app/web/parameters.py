"""Query parameters that pages and API share."""

from typing import Annotated

from fastapi import Query

PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
Search = Annotated[str, Query(max_length=200)]
