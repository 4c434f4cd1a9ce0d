"""A function that counts the windows it is shown, on a box, and what is heard of it."""

from tests.support.nodes import World

GOOD = "+functions.good._target_=tests.support.hostile_functions.Good"


def numbers(world: World, function: str = "good") -> dict[int, int]:
    """What a counting function has told, by the start of the window."""
    told = [data for data in world.events().values() if data.get("function") == function]
    return {data["window_start_ns"]: data["number"] for data in told}
