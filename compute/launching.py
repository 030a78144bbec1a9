"""Launching: check, reserve, write, enqueue, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute.disks import checked_disks
from compute.errors import IdempotentParameterMismatch
from compute.models import GroupMember, Instance, InstanceType, KeyPair, Reservation, ShutdownBehavior
from compute.models.instance import KIND, ids_of
from compute.placement_groups import check_partition, join
from compute.verbs import Verb
from networking.elastic import hold
from networking.interfaces import interfaces_for, plug_in
from networking.models import NetworkInterface, SecurityGroup, Subnet
from operations.models import Operation
from operations.tasks import ring
from portal import audit, quotas
from portal.audit import Actor
from portal.errors import CloudError, QuotaExceeded
from portal.inserting import insert
from portal.models import Resource, Tenant
from portal.tags import add_tags, check_tags
from scheduling.models import PlacementGroup
from storage.models import Datastore, Image, Volume
from storage.services import NewDisk, create_launch_volumes, image_disks, root_disk

MAX_USER_DATA = 16 * 1024
MAX_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Plug:
    """An interface besides the first: a new one for each instance, or one that exists, for a single instance."""

    device_index: int
    subnet: Subnet
    groups: Sequence[SecurityGroup] = ()
    existing: NetworkInterface | None = None
    private_ip: str = ""
    delete_on_termination: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a tenant may ask of a launch; rows are the tenant's own, looked up by the caller."""

    image: Image
    instance_type: InstanceType
    subnet: Subnet
    groups: Sequence[SecurityGroup]
    min_count: int = 1
    max_count: int = 1
    key_pair: KeyPair | None = None
    user_data: bytes = b""
    client_token: str | None = None
    digest: str = ""
    instance_tags: Mapping[str, str] = field(default_factory=dict)
    volume_tags: Mapping[str, str] = field(default_factory=dict)
    root_size_gib: int | None = None
    root_volume_type: str = "gp3"
    root_iops: int | None = None
    root_throughput: int | None = None
    root_is_encrypted: bool = False
    delete_root_on_termination: bool = True
    more_disks: Sequence[NewDisk] | None = None  # beside the root disk; None: as the image says
    shutdown_behavior: str = ShutdownBehavior.STOP
    disable_api_termination: bool = False
    disable_api_stop: bool = False
    monitoring: bool = False
    hints: Mapping[str, object] = field(default_factory=dict)
    public_ip: bool | None = None  # None: as the subnet says
    delete_interface_on_termination: bool = True
    interface_description: str = ""
    interface_tags: Mapping[str, str] = field(default_factory=dict)
    system_tags: Mapping[str, str] = field(default_factory=dict)  # of the instances, made by the cloud itself

    placement_group: PlacementGroup | None = None
    partition_number: int | None = None  # None: the one with the fewest members

    private_ip: str = ""  # of the one instance; empty: the next free one
    first_interface: NetworkInterface | None = None  # one that exists, in place of a new one
    more_interfaces: Sequence[Plug] = ()

    @property
    def all_tags(self) -> Mapping[str, str]:
        """Of each instance: the tenant's, and the cloud's own."""
        return {**self.instance_tags, **self.system_tags}

    @property
    def existing_interfaces(self) -> list[NetworkInterface]:
        """Those that are plugged in as they are; they are for one instance alone."""
        named = [self.first_interface, *(plug.existing for plug in self.more_interfaces)]
        return [interface for interface in named if interface is not None]

    @property
    def disk_gib(self) -> int:
        return self.root_size_gib or max(self.instance_type.disk_gib, self.image.size_gib)

    @property
    def each(self) -> dict[str, int]:
        """What one instance takes of the quota."""
        return {
            Resource.INSTANCES: 1,
            Resource.VCPUS: self.instance_type.vcpus,
            Resource.MEMORY_MIB: self.instance_type.memory_mib,
            Resource.VOLUMES: 1 + len(self.more_disks or ()),
            Resource.VOLUME_GIB: self.disk_gib + sum(disk.size_gib for disk in self.more_disks or ()),
        }

    @property
    def disks(self) -> list[NewDisk]:
        root = root_disk(
            self.image,
            size_gib=self.disk_gib,
            volume_type=self.root_volume_type,
            iops=self.root_iops,
            throughput=self.root_throughput,
            delete_on_termination=self.delete_root_on_termination,
            is_encrypted=self.root_is_encrypted,
        )
        return [root, *(self.more_disks or ())]


@dataclass(frozen=True, slots=True)
class Launched:
    """What a launch made; of one that was made before with the same client token, the instances alone."""

    instances: list[Instance]
    volumes: list[Volume] = field(default_factory=list)
    interfaces: list[NetworkInterface] = field(default_factory=list)
    members: list[GroupMember] = field(default_factory=list)
    is_new: bool = True


def launch_instances(tenant: Tenant, launch: Launch, *, actor: Actor) -> list[Instance]:
    """What ``launch_all`` launches; for who has no use for the rest."""
    return launch_all(tenant, launch, actor=actor).instances


def launch_all(tenant: Tenant, launch: Launch, *, actor: Actor) -> Launched:
    """New instances, pending; or, for a client token that was used before, those it made then.

    A constant number of statements however many there are.  Raises CloudError, QuotaExceeded or
    IdempotentParameterMismatch, and then nothing was written.
    """
    if launch.more_disks is None:
        launch = replace(launch, more_disks=image_disks(launch.image))
    check_launch(launch)
    try:
        with transaction.atomic():
            return _launch(tenant, launch, actor)
    except IntegrityError:  # the reservation is written first, and two cannot have the same token
        if launch.client_token and (again := _launched_before(tenant, launch)):
            return Launched(again, is_new=False)
        raise


def _launched_before(tenant: Tenant, launch: Launch) -> list[Instance]:
    before = Reservation.objects.filter(tenant=tenant, client_token=launch.client_token).first()
    if before is None:
        return []
    if before.digest != launch.digest:
        raise IdempotentParameterMismatch(
            f"client token {launch.client_token} was used for another launch, {before}; use a new token"
        )
    return list(before.instances.order_by("launch_index"))


def check_launch(launch: Launch) -> None:
    """Refuse what no quota or host could make possible."""
    if not 1 <= launch.min_count <= launch.max_count:
        raise CloudError(
            f"MinCount is {launch.min_count} and MaxCount {launch.max_count};"
            " they must be at least 1, and the first not above the second"
        )
    if launch.max_count > MAX_COUNT:
        raise CloudError(f"one call launches at most {MAX_COUNT} instances; {launch.max_count} were asked")
    given = [launch.private_ip, *(plug.private_ip for plug in launch.more_interfaces), *launch.existing_interfaces]
    if launch.max_count > 1 and any(given):
        raise CloudError(
            f"{launch.max_count} instances were asked with a private address or a network interface that is there;"
            " only one instance can have it",
            code="InvalidParameterCombination",
        )
    if len(launch.user_data) > MAX_USER_DATA:
        raise CloudError(f"User data is limited to {MAX_USER_DATA} bytes; {len(launch.user_data)} were given")
    if launch.disk_gib < launch.image.size_gib:
        raise CloudError(
            f"a disk of {launch.disk_gib} GiB is smaller than image {launch.image.ec2_id}, which needs"
            f" {launch.image.size_gib} GiB",
            code="InvalidBlockDeviceMapping",
        )
    check_tags(launch.instance_tags)
    check_tags(launch.volume_tags)
    check_tags(launch.interface_tags)
    check_partition(launch.placement_group, launch.partition_number)


def _launch(tenant: Tenant, launch: Launch, actor: Actor) -> Launched:
    if launch.existing_interfaces:
        hold(tenant.pk)  # before the ledger of quotas, as everybody who needs both
    asked = {"client_token": launch.client_token or None, "digest": launch.digest, "requester": actor.name}
    (reservation,) = insert([Reservation(tenant=tenant, **asked)])
    count = _reserve(tenant, launch)
    disks = checked_disks(launch.disks, zone=launch.subnet.zone)
    home = disks[0].datastore
    instances = insert(_instance(tenant, launch, reservation, home, n) for n in range(count))
    ids = ids_of(instances)
    volumes = create_launch_volumes(tenant, ids, disks, zone=launch.subnet.zone)
    interfaces = _interfaces(launch, ids, actor)
    group = launch.placement_group
    members = join(group, instances, launch.partition_number) if group else []
    if launch.all_tags:
        add_tags(tenant, "instance", ids, launch.all_tags)
    if launch.volume_tags:
        add_tags(tenant, "volume", [volume.ec2_id for volume in volumes], launch.volume_tags)
    if launch.interface_tags:
        add_tags(tenant, "network-interface", [interface.ec2_id for interface in interfaces], launch.interface_tags)
    Operation.objects.owe(Verb.START, KIND, ids, actor_name=actor.name, params={"launch": True})
    audit.record(
        actor, "launch", KIND, ids, tenant=tenant, reservation=reservation.ec2_id, type=launch.instance_type.name
    )
    ring(count)
    return Launched(instances, volumes, interfaces, members)


def _interfaces(launch: Launch, ids: Sequence[str], actor: Actor) -> list[NetworkInterface]:
    """The new ones.  Beside several, as at Amazon, none has a public address but what elastic ones give it."""
    made: list[NetworkInterface] = []
    if launch.first_interface is None:
        made += interfaces_for(
            ids,
            launch.subnet,
            launch.groups,
            public_ip=False if launch.more_interfaces else launch.public_ip,
            private_ip=launch.private_ip,
            delete_on_termination=launch.delete_interface_on_termination,
            description=launch.interface_description,
        )
    else:
        wish = launch.delete_interface_on_termination
        plug_in(launch.first_interface, ids[0], 0, actor=actor, delete_on_termination=wish)
    for plug in launch.more_interfaces:
        wish = plug.delete_on_termination
        if plug.existing is not None:
            plug_in(plug.existing, ids[0], plug.device_index, actor=actor, delete_on_termination=wish)
            continue
        made += interfaces_for(
            ids,
            plug.subnet,
            plug.groups,
            public_ip=False,
            private_ip=plug.private_ip,
            device_index=plug.device_index,
            delete_on_termination=wish,
            description=plug.description,
        )
    return made


def _reserve(tenant: Tenant, launch: Launch) -> int:
    """Reserve quota for as many as fit between the least and the most that were asked."""
    try:
        return _reserve_for(tenant, launch, launch.max_count)
    except QuotaExceeded:
        if launch.min_count == launch.max_count:
            raise
        # The refusal has locked the ledger, so that what is left now cannot become less.
        fits = min(launch.max_count, quotas.affordable(tenant, launch.each))
        return _reserve_for(tenant, launch, max(launch.min_count, fits))


def _reserve_for(tenant: Tenant, launch: Launch, count: int) -> int:
    quotas.reserve(tenant, {resource: amount * count for resource, amount in launch.each.items()})
    return count


def _instance(tenant: Tenant, launch: Launch, reservation: Reservation, home: Datastore, index: int) -> Instance:
    key, instance_type, now = launch.key_pair, launch.instance_type, timezone.now()
    return Instance(
        tenant=tenant,
        reservation=reservation,
        launch_index=index,
        image=launch.image,
        instance_type=instance_type,
        key_pair=key,
        key_name=key.name if key else "",
        public_key=key.public_key if key else "",
        user_data=launch.user_data,
        vcpus_reserved=instance_type.vcpus,
        memory_reserved_mib=instance_type.memory_mib,
        datastore=home,
        zone=launch.subnet.zone or settings.DEFAULT_ZONE,
        subnet_id_text=launch.subnet.ec2_id,
        vpc_id_text=launch.subnet.vpc.ec2_id,
        shutdown_behavior=launch.shutdown_behavior,
        disable_api_termination=launch.disable_api_termination,
        disable_api_stop=launch.disable_api_stop,
        monitoring=launch.monitoring,
        source_dest_check=launch.first_interface is None or launch.first_interface.source_dest_check,
        hints=dict(launch.hints),
        created_at=now,
        launched_at=now,
    )
