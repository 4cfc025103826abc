"""A fictional town, made from a number: the same seed gives the same people, homes and devices on every machine.

Nothing in it can be mistaken for somebody: regions and identity numbers begin with 99 (assigned to no province),
phones are 1990000xxxx, and the town lies in the open sea. Check digits are right, so that validators are exercised.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from core.domain.fleet import ChildType, Room
from registry import citizen_id
from registry.access import Role
from registry.regions import Region

TIME_ZONE = "Asia/Shanghai"
PROVINCE, CITY, COUNTY = "990000000000", "990100000000", "990102000000"
TOWNSHIPS = ("990102100000", "990102200000")
_VILLAGES = {
    "990102100001": "桂花社区",
    "990102100002": "杏花村",
    "990102100003": "石桥村",
    "990102200001": "月湖社区",
    "990102200002": "竹溪村",
}
_SEA = (28.0, 124.0)
_SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗"
_FEMALE = ("桂英", "秀兰", "玉珍", "淑华", "凤英", "兰", "芳", "素梅", "月娥", "春桃", "小芳", "惠")
_MALE = ("建国", "德福", "长生", "志强", "树根", "明", "国强", "永年", "福生", "大山", "文斌", "军")
_RELATIONS = ("daughter", "son", "neighbour", "niece", "grandson")

CentreKey = Literal["first", "second"]


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    gender: Literal["female", "male"]
    birth_date: date
    phone: str
    id_no: str


@dataclass(frozen=True, slots=True)
class ContactPlan:
    name: str
    phone: str
    relation: str
    priority: int
    is_keyholder: bool


@dataclass(frozen=True, slots=True)
class ElderPlan:
    person: Person
    living_arrangement: str
    contacts: tuple[ContactPlan, ...]


@dataclass(frozen=True, slots=True)
class ChildPlan:
    device_id: str
    model: str
    type: ChildType
    zone: Room


@dataclass(frozen=True, slots=True)
class HomePlan:
    """One dwelling with its people; `number` 0 is the home of the spare device, which the fleet never plays."""

    number: int
    centre: CentreKey
    region_code: str
    address: str
    lat: float
    lng: float
    elders: tuple[ElderPlan, ...]
    hub_id: str | None
    watch_id: str | None
    children: tuple[ChildPlan, ...]


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """`key` is the name in the ready file and the user name."""

    key: str
    role: Role
    display_name: str
    centre: CentreKey | None = None
    region_code: str | None = None
    staff: Person | None = None


@dataclass(frozen=True, slots=True)
class TownPlan:
    seed: int
    homes: tuple[HomePlan, ...]
    spare_home: HomePlan
    accounts: tuple[AccountPlan, ...]


SPARE_DEVICE_ID = "spare-pendant"
ROOMS: tuple[tuple[Room, str], ...] = (
    ("bedroom", "卧室"),
    ("bathroom", "卫生间"),
    ("kitchen", "厨房"),
    ("living", "客厅"),
    ("entrance", "门口"),
)


def regions() -> list[Region]:
    """Province, city, county, two townships and their villages, parents first."""
    upper = [
        (PROVINCE, "晴川省（虚构）"),
        (CITY, "云溪市（虚构）"),
        (COUNTY, "松岭县（虚构）"),
        (TOWNSHIPS[0], "青石镇（虚构）"),
        (TOWNSHIPS[1], "白桥乡（虚构）"),
    ]
    return [Region(code, name, TIME_ZONE) for code, name in (*upper, *_VILLAGES.items())]


def plan(homes: int, seed: int, today: date) -> TownPlan:
    """The whole town as of `today` (ages hang on it)."""
    dice = random.Random(seed)  # noqa: S311 - invention, not secrecy
    people = _People(dice, today)
    return TownPlan(
        seed=seed,
        spare_home=_home(dice, people, 0, "first", residents=1),
        homes=tuple(
            _home(dice, people, number, _centre_of(number), residents=_residents(dice))
            for number in range(1, homes + 1)
        ),
        accounts=tuple(_accounts(people)),
    )


def _centre_of(number: int) -> CentreKey:
    """The first of any ten homes belong to the first centre, so that the smallest town has something to show."""
    return "first" if (number - 1) % 10 < 7 else "second"


def _residents(dice: random.Random) -> int:
    return 1 if dice.random() < 0.6 else 2


class _People:
    """Invents people: never the same identity number twice, phones in order until 1990000xxxx has gone round."""

    def __init__(self, dice: random.Random, today: date) -> None:
        self._dice, self._today = dice, today
        self._numbers: set[str] = set()
        self._phones = 0

    def person(self, gender: Literal["female", "male"], low: int, high: int) -> Person:
        surname, given = self._dice.choice(_SURNAMES), self._dice.choice(_FEMALE if gender == "female" else _MALE)
        born = self._today - timedelta(days=self._dice.randrange(low * 365, high * 365))
        return Person(surname + given, gender, born, self.phone(), self._id_no(born, gender))

    def phone(self) -> str:
        self._phones += 1
        return f"1990000{self._phones % 10_000:04d}"

    def _id_no(self, born: date, gender: str) -> str:
        while True:
            sequence = self._dice.randrange(0, 500) * 2 + (gender == "male")
            first = f"{COUNTY[:6]}{born:%Y%m%d}{sequence:03d}"
            number = first + citizen_id.check_digit(first)
            if number not in self._numbers:
                self._numbers.add(number)
                return number


def _home(dice: random.Random, people: _People, number: int, centre: CentreKey, *, residents: int) -> HomePlan:
    township = TOWNSHIPS[0 if centre == "first" else 1]
    village = dice.choice([code for code in _VILLAGES if code.startswith(township[:9])])
    lat, lng = (round(base + dice.uniform(-0.03, 0.03), 6) for base in _SEA)
    is_spare = number == 0
    tag = f"h{number:04d}"
    return HomePlan(
        number=number,
        centre=centre,
        region_code=village,
        address=_address(dice, village),
        lat=lat,
        lng=lng,
        elders=tuple(_elders(dice, people, residents)),
        hub_id=None if is_spare else f"{tag}-hub",
        watch_id=None if is_spare else f"{tag}-watch",
        children=() if is_spare else tuple(_children(dice, tag)),
    )


def _address(dice: random.Random, village: str) -> str:
    place = f"云溪市松岭县{'青石镇' if village.startswith(TOWNSHIPS[0][:9]) else '白桥乡'}{_VILLAGES[village]}"
    if _VILLAGES[village].endswith("社区"):
        return (
            f"{place}安居小区{dice.randint(1, 12)}栋{dice.randint(1, 4)}单元{dice.randint(1, 6)}0{dice.randint(1, 4)}室"
        )
    return f"{place}{dice.randint(1, 9)}组{dice.randint(1, 80)}号"


def _elders(dice: random.Random, people: _People, residents: int) -> Iterator[ElderPlan]:
    first: Literal["female", "male"] = dice.choice(("female", "female", "male"))
    other: Literal["female", "male"] = "male" if first == "female" else "female"
    genders = (first, other)[:residents]
    arrangement = "empty_nest" if residents == 2 else dice.choice(("living_alone", "living_alone", "left_behind"))
    for gender in genders:
        yield ElderPlan(people.person(gender, 66, 96), arrangement, tuple(_contacts(dice, people)))


def _contacts(dice: random.Random, people: _People) -> Iterator[ContactPlan]:
    for priority, relation in enumerate(dice.sample(_RELATIONS, dice.choice((1, 2))), start=1):
        gender: Literal["female", "male"] = "female" if relation in ("daughter", "niece") else "male"
        person = people.person(gender, 25, 60)
        yield ContactPlan(person.name, person.phone, relation, priority, relation == "neighbour")


def _children(dice: random.Random, tag: str) -> Iterator[ChildPlan]:
    burner: tuple[str, str, ChildType] = dice.choice((("gas", "gas-detector", "gas"), ("co", "co-detector", "co")))
    rooms: list[tuple[str, Room]] = [("living", "living"), ("bedroom", "bedroom"), ("kitchen", "kitchen")]
    yield ChildPlan(f"{tag}-sos", "sos-button", "sos_button", "bathroom")
    yield ChildPlan(f"{tag}-smoke", "smoke-detector", "smoke", "kitchen")
    yield ChildPlan(f"{tag}-{burner[0]}", burner[1], burner[2], "kitchen")
    yield ChildPlan(f"{tag}-leak", "water-leak", "water_leak", "bathroom")
    for name, room in rooms[: dice.choice((2, 3))]:
        yield ChildPlan(f"{tag}-pir-{name}", "pir", "pir", room)
    yield ChildPlan(f"{tag}-door", "door-contact", "door_contact", "entrance")
    yield ChildPlan(f"{tag}-bed", "bed-sensor", "bed_sensor", "bedroom")


def _accounts(people: _People) -> Iterator[AccountPlan]:
    def colleague() -> Person:
        return people.person("female", 25, 55)

    yield AccountPlan("admin", Role.ADMIN, "系统管理员")
    yield AccountPlan("operator", Role.OPERATOR, "坐席 1", "first", staff=colleague())
    yield AccountPlan("operator2", Role.OPERATOR, "坐席 2", "first", staff=colleague())
    yield AccountPlan("supervisor", Role.SHIFT_SUPERVISOR, "值班长", "first", staff=colleague())
    yield AccountPlan("foreign_operator", Role.OPERATOR, "白桥坐席 1", "second", staff=colleague())
    yield AccountPlan("responder", Role.RESPONDER, "助老员 1", "first", staff=colleague())
    yield AccountPlan("visitor", Role.VISITOR, "探访员 1", "first", staff=colleague())
    yield AccountPlan("family", Role.FAMILY_MEMBER, "家属 1")
    yield AccountPlan("regulator", Role.REGULATOR, "县民政局", region_code=COUNTY)
