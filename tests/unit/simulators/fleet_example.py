"""A fleet file of homes with every kind of sensor, as the town writes it."""

from core.domain.fleet import Fleet, FleetChild, FleetHome, FleetMember

_KINDS = (
    ("sos", "sos_button", "bathroom"),
    ("smoke", "smoke", "kitchen"),
    ("gas", "gas", "kitchen"),
    ("co", "co", "kitchen"),
    ("leak", "water_leak", "bathroom"),
    ("pir-living", "pir", "living"),
    ("pir-bedroom", "pir", "bedroom"),
    ("pir-kitchen", "pir", "kitchen"),
    ("door", "door_contact", "entrance"),
    ("bed", "bed_sensor", "bedroom"),
)


def fleet_of(homes: int, *, seed: int = 7, time_zone: str = "Asia/Shanghai") -> Fleet:
    """Homes 1 to `homes`, every second one with two residents."""
    members = []
    for number in range(1, homes + 1):
        tag = f"h{number:04d}"
        children = [FleetChild.model_validate({"device_id": f"{tag}-{n}", "type": t, "zone": z}) for n, t, z in _KINDS]
        hub, watch = f"{tag}-hub", f"{tag}-watch"
        members.append(
            FleetMember(device_id=hub, username=hub, password="p", kind="hub", home=number, children=tuple(children))
        )
        members.append(FleetMember(device_id=watch, username=watch, password="p", kind="watch", home=number))
    return Fleet(
        seed=seed,
        time_zone=time_zone,
        homes=tuple(FleetHome(number=number, residents=1 + number % 2) for number in range(1, homes + 1)),
        members=tuple(members),
    )
