"""What is learnt in a greenhouse; boxes and the data set share it."""

from fl_common.vocabulary import Task


def greenhouse() -> Task:
    """What a greenhouse does, from 32 minutes of temperature and humidity."""
    return Task(
        name="greenhouse",
        channels=("temperature", "humidity"),
        units=("Cel", "%"),
        rate_hz=1 / 60,
        window_shape=(32, 2),
        labels=("steady", "vents open", "heating"),
        center=(22.0, 60.0),
        scale=(4.0, 10.0),
        windows_per_reading=1,
    )
