"""The demo systems by the name that `producer = "..."` in the configuration gives them."""

from __future__ import annotations

from producers import marketing_producer, sales_producer, support_producer
from producers.systems import System

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (sales_producer.SYSTEM, support_producer.SYSTEM, marketing_producer.SYSTEM)
}
