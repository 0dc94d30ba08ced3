"""What every table of ``mdm.toml`` is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A table of ``mdm.toml``: unknown keys are refused, values cannot change later."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
