"""Addresses that nobody has: private ones of a subnet, automatic public ones, elastic ones, and MAC addresses."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Iterable, Sequence

from django.conf import settings
from django.db.models import GenericIPAddressField, Q
from django.utils.translation import gettext as _

from networking.backends.usermode import ELASTIC_NETWORK, USABLE, loopback_address
from networking.models import Counter, ElasticAddress, NetworkInterface, Subnet, advance
from portal.errors import CloudError
from portal.prepared import Prepared, slot, slots

SEARCH_STEP = 1024
ELASTIC_STEP = 16  # nearly always the first is free


def new_mac() -> str:
    """A locally administered address; 16 million million of them make a clash an error nobody meets twice."""
    tail = secrets.token_bytes(5)
    return "02:" + ":".join(f"{byte:02x}" for byte in tail)


def addresses(subnet: Subnet, count: int, *, is_public: bool) -> tuple[list[str], Sequence[str | None]]:
    """``count`` private addresses, and as many public ones if any, that no interface has."""
    private = _next_private(subnet, count)
    public = _next_public(count) if is_public else []
    if len(set(private)) < count or _are_taken(subnet, private, public):
        private = _search_private(subnet, count)
        public = _search_public(count) if is_public else []
    return private, public or [None] * count


def _next_private(subnet: Subnet, count: int) -> list[str]:
    """The addresses of the subnet that come next, going round it."""
    network = ipaddress.IPv4Network(subnet.cidr)
    end = advance(Subnet, "next_host", subnet.pk, count)
    assert end is not None
    return [str(network[4 + (n - 4) % _usable(network)]) for n in range(end - count, end)]


def _usable(network: ipaddress.IPv4Network) -> int:
    return network.num_addresses - 5  # EC2 keeps the first four and the last


def _next_public(count: int) -> list[str]:
    return [loopback_address(number, settings.INSTALLATION) for number in Counter.take("public-address", count)]


def _next_elastic(count: int) -> list[str]:
    numbers = Counter.take("elastic-address", count)
    return [loopback_address(number, settings.INSTALLATION, ELASTIC_NETWORK) for number in numbers]


def elastic_address() -> str:
    """An address of the pool of elastic ones that no tenant has."""
    found = _search(
        1,
        USABLE,
        _next_elastic,
        lambda tried: ElasticAddress.objects.filter(public_ip__in=tried).values_list("public_ip", flat=True),
        step=ELASTIC_STEP,
    )
    if not found:
        raise _no_public()
    return found[0]


_ADDRESS = GenericIPAddressField(protocol="IPv4")
_SAME_PRIVATE = Q(subnet=slot("subnet"), private_ip__in=slots("private", _ADDRESS))
_SAME_PUBLIC = Q(public_ip__in=slots("public", _ADDRESS)) | Q(automatic_ip__in=slots("public", _ADDRESS))
_PRIVATE_TAKEN = Prepared(
    lambda: NetworkInterface.objects.filter(_SAME_PRIVATE).order_by().values_list("private_ip", flat=True)
)
_TAKEN = Prepared(lambda: NetworkInterface.objects.filter(_SAME_PRIVATE | _SAME_PUBLIC).order_by().values("pk")[:1])


def _are_taken(subnet: Subnet, private: Sequence[str], public: Sequence[str]) -> bool:
    """Whether an interface has one of these already."""
    if not public:
        return bool(_PRIVATE_TAKEN(subnet=subnet, private=private))
    return bool(_TAKEN(subnet=subnet, private=private, public=public))


def _search_private(subnet: Subnet, count: int) -> list[str]:
    """For when what comes next is taken, which is once all of the subnet has been given out."""
    found = _search(
        count,
        _usable(ipaddress.IPv4Network(subnet.cidr)),
        lambda step: _next_private(subnet, step),
        lambda tried: _PRIVATE_TAKEN(subnet=subnet, private=tried),
    )
    if len(found) < count:
        text = _(
            "subnet %(subnet)s has no %(count)s free addresses left; terminate instances in it or use another subnet"
        )
        raise CloudError(text % {"subnet": subnet, "count": count}, code="InsufficientFreeAddressesInSubnet")
    return found


def _search_public(count: int) -> list[str]:
    at = NetworkInterface.objects.order_by()

    def taken(tried: Sequence[str]) -> Iterable[str | None]:
        rows = at.filter(Q(public_ip__in=tried) | Q(automatic_ip__in=tried))
        return (address for pair in rows.values_list("public_ip", "automatic_ip") for address in pair)

    found = _search(count, USABLE, _next_public, taken)
    if len(found) < count:
        raise _no_public()
    return found


def _no_public() -> CloudError:
    text = _("no public address is free; try again in a moment, and ask an operator if that does not help")
    return CloudError(text, code="InsufficientAddressCapacity")


def _search(
    count: int,
    size: int,
    take: Callable[[int], Sequence[str]],
    taken: Callable[[Sequence[str]], Iterable[str | None]],
    step: int = SEARCH_STEP,
) -> list[str]:
    """Up to ``count`` free ones of a range of ``size``, once round it and ``step`` at a time."""
    found: dict[str, None] = {}
    for _round in range(-(-size // step)):
        tried = take(step)
        gone = set(taken(tried))
        found |= dict.fromkeys(address for address in tried if address not in gone)
        if len(found) >= count:
            break
    return list(found)[:count]
