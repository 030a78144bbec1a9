"""What Amazon's types of volumes may be: sizes and speeds.  Here a type is a wish that is kept and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.errors import CloudError

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class VolumeType:
    """Speeds that may be asked for, if any; ``iops_per_gib`` at most; the usual speeds are those that are not asked."""

    sizes: Range
    iops: Range | None = None
    usual_iops: int | None = None  # None where IOPS may be asked: they must be
    iops_per_gib: int = 0
    throughput: Range | None = None
    usual_throughput: int | None = None


TYPES: Mapping[str, VolumeType] = {
    "gp3": VolumeType((1, 65536), (3000, 80000), 3000, 500, (125, 2000), 125),
    "gp2": VolumeType((1, 16384)),
    "io1": VolumeType((4, 16384), (100, 64000), None, 50),
    "io2": VolumeType((4, 65536), (100, 256000), None, 1000),
    "st1": VolumeType((125, 16384)),
    "sc1": VolumeType((125, 16384)),
    "standard": VolumeType((1, 1024)),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A type, a size and speeds that go together."""

    size_gib: int
    volume_type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None  # MiB/s

    def as_dict(self) -> dict[str, object]:
        return {
            "size_gib": self.size_gib,
            "volume_type": self.volume_type,
            "iops": self.iops,
            "throughput": self.throughput,
        }


def checked_shape(shape: Shape) -> Shape:
    """With the usual speeds where none were asked.  Raises CloudError naming what is out of bounds."""
    kind = TYPES.get(shape.volume_type)
    if kind is None:
        text = _("Invalid volume type '%(type)s'; there are %(types)s")
        raise CloudError(text % {"type": shape.volume_type[:40], "types": ", ".join(TYPES)})
    _within(_("Volume of %(value)sGiB"), shape.size_gib, kind.sizes, "GiB")
    iops = _speed("iops", _("Volume iops of %(value)s"), shape, kind.iops, shape.iops, kind.usual_iops)
    throughput = _speed(
        "throughput",
        _("Throughput of %(value)s"),
        shape,
        kind.throughput,
        shape.throughput,
        kind.usual_throughput,
    )
    if kind.iops_per_gib and iops and iops > max(kind.iops_per_gib * shape.size_gib, kind.usual_iops or 0):
        text = _("Iops to volume size ratio of %(ratio).6f is too high; maximum is %(most)s")
        raise CloudError(text % {"ratio": iops / shape.size_gib, "most": kind.iops_per_gib})
    if throughput and iops and throughput * 4 > iops:
        text = _("Throughput (MiBps) to iops ratio of %(ratio).6f is too high; maximum is 0.250000 MiBps per iops")
        raise CloudError(text % {"ratio": throughput / iops})
    if shape.volume_type == "gp2":
        iops = min(max(100, 3 * shape.size_gib), 16000)
    return Shape(shape.size_gib, shape.volume_type, iops, throughput)


def _within(what: str, value: int, bounds: Range, unit: str = "") -> None:
    least, most = bounds
    if value < least:
        text = _("%(what)s is too small; minimum is %(bound)s.")
        raise CloudError(text % {"what": what % {"value": value}, "bound": f"{least}{unit}"})
    if value > most:
        text = _("%(what)s is too large; maximum is %(bound)s.")
        raise CloudError(text % {"what": what % {"value": value}, "bound": f"{most}{unit}"})


def _speed(
    name: str, what: str, shape: Shape, bounds: Range | None, asked: int | None, usual: int | None
) -> int | None:
    if bounds is None:
        if asked is not None:
            text = _("The parameter %(name)s is not supported for %(type)s volumes.")
            raise CloudError(text % {"name": name, "type": shape.volume_type}, code="InvalidParameterCombination")
        return None
    if asked is None and usual is None:
        text = _("The parameter %(name)s must be specified for %(type)s volumes.")
        raise CloudError(text % {"name": name, "type": shape.volume_type}, code="MissingParameter")
    value = usual if asked is None else asked
    assert value is not None
    _within(what, value, bounds)
    return value
