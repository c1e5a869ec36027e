"""The shapes of an alert's area: rings and discs on the map, whether they can be used, and what lies inside them.

Knows: longitude and latitude (WGS 84), planar edges between vertices, great-circle distance for discs.
Never knows: XML, geocodes, rights, databases. Points are (lon, lat), while CAP writes lat,lon.
Standard: CAP 1.2 §3.2.4 (polygon, circle).
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from gateway.cap.crossing import Vertex, first_contact

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the sphere on which discs are measured; an ellipsoid would differ by about 0.1 %."""

MAX_VERTICES = 10_000
_UNITS_PER_DEGREE = 10**9  # self-contact is decided on a lattice of 0.1 mm, in exact integers
_KM_PER_DEGREE = EARTH_RADIUS_KM * math.pi / 180

Point = tuple[float, float]


class Ring(NamedTuple):
    """A closed line, its first point repeated at the end; edges are straight in longitude and latitude."""

    points: tuple[Point, ...]


class Disc(NamedTuple):
    """All points within `radius_km` of a centre."""

    lon: float
    lat: float
    radius_km: float


Shape = Ring | Disc


def shapes(polygons: Iterable[Iterable[Point]], circles: Iterable[tuple[float, float, float]]) -> list[Shape]:
    """Shapes from CAP's own order: polygons of (lat, lon) pairs, circles as (lat, lon, radius_km)."""
    rings = [Ring(tuple((lon, lat) for lat, lon in polygon)) for polygon in polygons]
    return [*rings, *(Disc(lon, lat, radius_km) for lat, lon, radius_km in circles)]


def validate(shape: Shape, *, max_vertices: int = MAX_VERTICES, simple: bool = True) -> list[str]:
    """Why the shape can not be used for targeting, one sentence each; [] when it can. Never raises.

    With `simple` a ring that crosses or touches itself is a problem, too. About one real ring in thirty does;
    what it winds around can still be told, so a lenient reader may let it pass.
    """
    if isinstance(shape, Disc):
        return _disc_problems(shape)
    problems = _ring_form_problems(shape.points, max_vertices)
    return problems or figure_problems(shape.points, simple=simple)


def _disc_problems(disc: Disc) -> list[str]:
    problems = []
    if not _on_earth((disc.lon, disc.lat)):
        problems.append("the circle's centre is not a place: latitude is -90 to 90, longitude -180 to 180")
    # CAP 1.2 §3.2.4
    if not (math.isfinite(disc.radius_km) and disc.radius_km >= 0):
        problems.append("the circle's radius is not a number of kilometres from 0 on")
    return problems


def _ring_form_problems(points: Sequence[Point], max_vertices: int) -> list[str]:
    if len(points) - 1 > max_vertices:
        return [f"the polygon has {len(points) - 1} vertices, more than the {max_vertices} that are accepted"]
    # CAP 1.2 §3.2.4: at least four pairs, the first and the last the same
    if len(points) < 4:
        return [f"the polygon has {len(points)} points; it needs at least 4, the last one the first again"]
    if not all(map(_on_earth, points)):
        number = next(number for number, point in enumerate(points, 1) if not _on_earth(point))
        return [f"point {number} of the polygon is not a place: latitude is -90 to 90, longitude -180 to 180"]
    if points[0] != points[-1]:
        return ["the polygon is not closed: its last point is not its first"]
    return []


def figure_problems(line: Sequence[Point], *, simple: bool = True) -> list[str]:
    """Why a closed ring of at least four points on earth is no figure; as `validate`, which asks for those first."""
    if _width(line) > 180:
        line = unwrapped(line)
        if abs(line[-1][0] - line[0][0]) > 180:
            return ["the polygon runs around a pole, which straight edges in longitude and latitude can not describe"]
        if _width(line) > 360:
            return ["the polygon runs more than once around the earth"]
    if _seen_whole_from_its_middle(line):
        return []
    vertices, numbers = _on_lattice(line)
    if len(vertices) < 3 or _in_one_line(vertices):
        return ["the polygon has no area: all its points lie in one line"]
    met = first_contact(vertices) if simple else None
    if met is None:
        return []
    a, b = (numbers[edge] for edge in met)
    return [f"the polygon crosses or touches itself: its edges from point {a} and from point {b} meet"]


def _seen_whole_from_its_middle(line: Sequence[Point]) -> bool:
    """Whether a look around from the mean of its points passes every edge once, as in most areas that people draw: each
    edge turns the same way about that point, and all together turn once. Such a ring is simple, and has an area.

    Each turn has to stay what it is when both ends of its edge move to the nearest points of the lattice.
    """
    xs, ys = [x for x, _ in line], [y for _, y in line]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    clear = 4 / _UNITS_PER_DEGREE * max(max(xs) - min(xs), max(ys) - min(ys))
    around = [(x - middle_x, y - middle_y) for x, y in line]
    turns = [ax * by - ay * bx for (ax, ay), (bx, by) in pairwise(around)]
    if min(turns) <= clear and max(turns) >= -clear:
        return False
    return sum([ay < 0 <= by for (_, ay), (_, by) in pairwise(around)]) == 1


def _width(line: Sequence[Point]) -> float:
    longitudes = [x for x, _ in line]
    return max(longitudes) - min(longitudes)


def _on_earth(point: Point) -> bool:
    # CAP 1.2 §3.3.1: WGS 84; comparisons with NaN are false
    return -180.0 <= point[0] <= 180.0 and -90.0 <= point[1] <= 90.0


def _on_lattice(line: Sequence[Point]) -> tuple[list[Vertex], list[int]]:
    """The open ring in whole lattice units without repeats, and the 1-based number of each point kept."""
    placed = [(round(x * _UNITS_PER_DEGREE), round(y * _UNITS_PER_DEGREE)) for x, y in line[:-1]]
    numbers = [number for number, vertex in enumerate(placed, 1) if number == 1 or vertex != placed[number - 2]]
    vertices = [placed[number - 1] for number in numbers]
    while len(vertices) > 1 and vertices[-1] == vertices[0]:
        vertices.pop()
        numbers.pop()
    return vertices, numbers


def _in_one_line(vertices: Sequence[Vertex]) -> bool:
    (ax, ay), (bx, by) = vertices[:2]
    return all((bx - ax) * (y - ay) == (by - ay) * (x - ax) for x, y in vertices[2:])


def unwrapped(points: Iterable[Point]) -> list[Point]:
    """The line with longitudes that run on past ±180 instead of jumping: every edge goes the shorter way round."""
    line: list[Point] = []
    turn, last = 0.0, None
    for lon, lat in points:
        if last is not None:
            if lon - last > 180.0:
                turn -= 360.0
            elif lon - last < -180.0:
                turn += 360.0
        last = lon
        line.append((lon + turn, lat))
    return line


def in_ring(points: Sequence[Point], x: float, y: float) -> bool:
    """Whether the ring (open or closed) winds around the point: PostgreSQL's rule for `point <@ polygon`.

    For a ring that does not cross itself this is the even-odd rule. On an edge either answer may come.
    """
    winding = 0
    ax, ay = points[-1]
    for bx, by in points:
        if ay <= y:
            if by > y and (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                winding += 1
        elif by <= y and (bx - ax) * (y - ay) < (by - ay) * (x - ax):
            winding -= 1
        ax, ay = bx, by
    return winding != 0


def haversine(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """sin² of half the angle between two places, 0 at the same place and 1 at the antipode."""
    north = math.sin(math.radians(lat - other_lat) / 2)
    east = math.sin(math.radians(lon - other_lon) / 2)
    return north * north + math.cos(math.radians(lat)) * math.cos(math.radians(other_lat)) * east * east


def disc_limit(radius_km: float) -> float:
    """The haversine of the rim; from half the earth's girth on, everything is inside."""
    if radius_km >= EARTH_RADIUS_KM * math.pi:
        return 2.0
    return math.sin(radius_km / EARTH_RADIUS_KM / 2) ** 2


def distance_km(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Great-circle distance of two places."""
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, haversine(lon, lat, other_lon, other_lat))))


class Box(NamedTuple):
    """A rectangle of the map."""

    west: float
    south: float
    east: float
    north: float


def nearest_and_farthest(lon: float, lat: float, box: Box) -> tuple[float, float]:
    """The least and the greatest haversine from a place to a box, exact also around poles and the antimeridian."""
    near_lon, far_lon = _meridians(lon, box)
    most = max(haversine(lon, lat, lon + far_lon, at) for at in _turning_latitudes(lat, far_lon, box))
    return _least(lon, lat, near_lon, box), most


def nearest(lon: float, lat: float, box: Box) -> float:
    """The least haversine from a place to a box, as exact."""
    return _least(lon, lat, _meridians(lon, box)[0], box)


def _least(lon: float, lat: float, near_lon: float, box: Box) -> float:
    if near_lon == 0.0:  # along the place's own meridian: the box's nearest parallel
        return haversine(lon, lat, lon, min(max(lat, box.south), box.north))
    return min(haversine(lon, lat, lon + near_lon, at) for at in _turning_latitudes(lat, near_lon, box))


def _meridians(lon: float, box: Box) -> tuple[float, float]:
    """The least and greatest difference in longitude, 0 to 180; along a parallel, distance grows with it."""
    width = box.east - box.west
    ahead = (lon - box.west) % 360.0
    to_west, to_east = _turn(lon - box.west), _turn(lon - box.east)
    near = 0.0 if ahead <= width else min(to_west, to_east)
    far = 180.0 if (ahead + 180.0) % 360.0 <= width else max(to_west, to_east)
    return near, far


def _turn(degrees: float) -> float:
    return abs((degrees + 180.0) % 360.0 - 180.0)


def _turning_latitudes(lat: float, lon_difference: float, box: Box) -> list[float]:
    """Where distance along a meridian can be least or greatest: the ends of the box, and the turning points in it."""
    phi = math.radians(lat)
    turning = math.degrees(math.atan2(math.sin(phi), math.cos(phi) * math.cos(math.radians(lon_difference))))
    inside = [at for at in (turning - 180.0, turning, turning + 180.0) if box.south < at < box.north]
    return [box.south, box.north, *inside]


def centre(shapes: Sequence[Shape]) -> Point:
    """The centroid of all the shapes by area (of one disc: its centre); overlaps count twice, which is near enough."""
    weight = east = north = 0.0
    first: float | None = None
    for shape in shapes:
        size, lon, lat = _weighed(shape)
        first = lon if first is None else first
        weight += size
        east += size * (lon + 360.0 * round((first - lon) / 360.0))
        north += size * lat
    return _wrapped(east / weight), north / weight


def _weighed(shape: Shape) -> tuple[float, float, float]:
    """Area in square degrees (never quite 0, so that points have a centre, too) and centroid."""
    tiny = 1e-18
    if isinstance(shape, Disc):
        squash = max(math.cos(math.radians(shape.lat)), 1e-3)
        return math.pi * (shape.radius_km / _KM_PER_DEGREE) ** 2 / squash + tiny, shape.lon, shape.lat
    line = unwrapped(shape.points)
    x0, y0 = line[0]
    double = east = north = 0.0
    for (ax, ay), (bx, by) in pairwise(line):
        cross = (ax - x0) * (by - y0) - (bx - x0) * (ay - y0)
        double += cross
        east += cross * (ax + bx - 2 * x0)
        north += cross * (ay + by - 2 * y0)
    if double == 0.0:
        return tiny, x0, y0
    return abs(double) / 2 + tiny, x0 + east / (3 * double), y0 + north / (3 * double)


def _wrapped(lon: float) -> float:
    return (lon + 180.0) % 360.0 - 180.0
