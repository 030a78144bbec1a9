"""Launching instances, looking at them and changing what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction

from compute import launching, services
from compute.models import Instance, ShutdownBehavior
from ec2api import launch_interfaces, launches
from ec2api.block_devices import disks_of_launch
from ec2api.filters import Filters, condition
from ec2api.instance_filters import INSTANCE_FILTERS
from ec2api.pagination import Page
from ec2api.placement import group_of_launch
from ec2api.present.instances import launched, reservations, rows_named, rows_of, state_change
from ec2api.protocol.errors import ApiError
from ec2api.protocol.scalars import decode_base64
from ec2api.registry import Call, Reply, action, missing
from ec2api.tag_specifications import tags_for
from ec2api.template_data import from_template, system_tags
from ec2api.throttling import admit_instances

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        BlockDeviceMappingTypeDef,
        InstanceNetworkInterfaceSpecificationTypeDef,
        LaunchTemplateSpecificationTypeDef,
        PlacementTypeDef,
        TagSpecificationUnionTypeDef,
    )

MAX_CLIENT_TOKEN = 64


@action()
@from_template
def run_instances(
    call: Call,
    *,
    min_count: int,
    max_count: int,
    image_id: str = "",
    instance_type: str = "",
    key_name: str = "",
    user_data: str = "",
    client_token: str = "",
    security_group_ids: Sequence[str] = (),
    security_groups: Sequence[str] = (),
    subnet_id: str = "",
    private_ip_address: str = "",
    placement: PlacementTypeDef | None = None,
    tag_specifications: Sequence[TagSpecificationUnionTypeDef] = (),
    block_device_mappings: Sequence[BlockDeviceMappingTypeDef] = (),
    network_interfaces: Sequence[InstanceNetworkInterfaceSpecificationTypeDef] = (),
    disable_api_termination: bool = False,
    disable_api_stop: bool = False,
    instance_initiated_shutdown_behavior: str = "stop",
    monitoring: dict[str, bool] | None = None,
    ebs_optimized: bool = False,
    credit_specification: dict[str, Any] | None = None,
    metadata_options: dict[str, Any] | None = None,
    cpu_options: dict[str, Any] | None = None,
    capacity_reservation_specification: dict[str, Any] | None = None,
    maintenance_options: dict[str, Any] | None = None,
    private_dns_name_options: dict[str, Any] | None = None,
    enclave_options: dict[str, Any] | None = None,
    hibernation_options: dict[str, Any] | None = None,
    launch_template: LaunchTemplateSpecificationTypeDef | None = None,
) -> Reply:
    """New instances, pending; the same client token again finds those it made."""
    asked = {name: value for name, value in locals().items() if name not in ("call", "client_token")}
    if not image_id:
        raise missing("ImageId")
    if not instance_type:
        raise missing("InstanceType")
    if len(client_token) > MAX_CLIENT_TOKEN:
        raise ApiError("InvalidParameterValue", f"ClientToken is limited to {MAX_CLIENT_TOKEN} characters")
    admit_instances(call.tenant, max_count)
    if instance_initiated_shutdown_behavior not in ShutdownBehavior.values:
        raise _not_a_shutdown_behavior(instance_initiated_shutdown_behavior)
    image = launches.image_named(call.tenant, image_id)
    kind = launches.instance_type_named(instance_type)
    network = launch_interfaces.network(
        call,
        network_interfaces,
        subnet_id=subnet_id,
        group_ids=security_group_ids,
        group_names=security_groups,
        private_ip=private_ip_address,
        zone=(placement or {}).get("AvailabilityZone", ""),
    )
    launches.check_placement(placement or {}, network["subnet"].zone)
    instance_tags, volume_tags, interface_tags = tags_for(tag_specifications, "instance", "volume", "network-interface")
    launch = launching.Launch(
        image=image,
        instance_type=kind,
        min_count=min_count,
        max_count=max_count,
        key_pair=launches.key_pair_named(call.tenant, key_name) if key_name else None,
        user_data=decode_base64(user_data) if user_data else b"",
        client_token=client_token or None,
        digest=launches.digest(asked) if client_token else "",
        instance_tags=instance_tags,
        volume_tags=volume_tags,
        interface_tags=interface_tags,
        system_tags=system_tags(launch_template),
        **group_of_launch(call.tenant, placement or {}),
        shutdown_behavior=instance_initiated_shutdown_behavior,
        disable_api_termination=disable_api_termination,
        disable_api_stop=disable_api_stop,
        monitoring=(monitoring or {}).get("Enabled", False),
        hints=launches.hints(
            kind,
            {
                "EbsOptimized": ebs_optimized or None,
                "CreditSpecification": credit_specification,
                "MetadataOptions": metadata_options,
                "CpuOptions": cpu_options,
                "CapacityReservationSpecification": capacity_reservation_specification,
                "MaintenanceOptions": maintenance_options,
                "PrivateDnsNameOptions": private_dns_name_options,
                "EnclaveOptions": enclave_options,
                "HibernationOptions": hibernation_options,
            },
        ),
        **network,
        **disks_of_launch(call.tenant, image, block_device_mappings),
    )
    made = launching.launch_all(call.tenant, launch, actor=call.actor)
    if made.is_new and not (launch.first_interface or launch.more_interfaces):
        return launched(call.tenant, made, launch)
    again = Instance.objects.filter(pk__in=[i.pk for i in made.instances]).order_by("launch_index")
    return reservations(call.tenant, rows_of(again))[0]


def _not_a_shutdown_behavior(value: str) -> ApiError:
    return ApiError(
        "InvalidParameterValue",
        f"Value ({value[:40]}) for parameter instanceInitiatedShutdownBehavior is invalid: use stop or terminate",
    )


@action(ignores=["include_managed_resources"])
def describe_instances(
    call: Call,
    *,
    instance_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """Those of the caller's tenant; the terminated for an hour."""
    page = Page(call, max_results, next_token, ids=instance_ids, ids_name="instancesSet")
    if instance_ids and not filters and not next_token:
        rows = rows_named(call.tenant, instance_ids)
    else:
        wanted = condition(filters, INSTANCE_FILTERS, call.tenant)
        instances = Instance.objects.owned_by(call.tenant).visible().filter(wanted)
        if instance_ids:
            instances = instances.filter(ec2_id__in=instance_ids)
        rows = rows_of(page.cut(instances))
    if len(rows) < len(set(instance_ids)):
        Instance.objects.owned_by(call.tenant).visible().named(instance_ids)
    shown, token = page.close(rows, lambda row: row.pk)
    return {"Reservations": reservations(call.tenant, shown), "NextToken": token}


def _change(call: Call, instance_ids: Sequence[str], change: Callable[[list[Instance]], None]) -> list[Any]:
    """Change them all or none; what each was and is."""
    instances = named(call, instance_ids)
    before = {instance.pk: instance.state for instance in instances}
    change(instances)
    return [state_change(i.ec2_id, was=before[i.pk], now=i.state) for i in instances]


def named(call: Call, instance_ids: Sequence[str]) -> list[Instance]:
    """Instances of the caller's tenant, or InvalidInstanceID.NotFound; without what is long and seldom asked for."""
    if not instance_ids:
        raise missing("InstanceId")
    rows = Instance.objects.owned_by(call.tenant).visible().defer("user_data", "public_key", "hints")
    return rows.select_related("tenant").named(instance_ids)


@action(ignores=["additional_info"])
def start_instances(call: Call, *, instance_ids: Sequence[str]) -> Reply:
    """Those that run already are passed over."""
    return {
        "StartingInstances": _change(
            call, instance_ids, lambda found: services.start_instances(found, actor=call.actor)
        )
    }


@action()
def stop_instances(
    call: Call,
    *,
    instance_ids: Sequence[str],
    force: bool = False,
    hibernate: bool = False,
    skip_os_shutdown: bool = False,
) -> Reply:
    """Force and SkipOsShutdown take the power away at once."""
    if hibernate:
        raise ApiError("UnsupportedHibernationConfiguration", "No instance here is configured for hibernation")
    return {
        "StoppingInstances": _change(
            call,
            instance_ids,
            lambda found: services.stop_instances(found, actor=call.actor, force=force or skip_os_shutdown),
        )
    }


@action()
def reboot_instances(call: Call, *, instance_ids: Sequence[str]) -> Reply:
    services.reboot_instances(named(call, instance_ids), actor=call.actor)
    return {}


@action(ignores=["force", "skip_os_shutdown"])
def terminate_instances(call: Call, *, instance_ids: Sequence[str]) -> Reply:
    """A termination never waits for the guest, so that Force makes no difference."""
    return {
        "TerminatingInstances": _change(
            call, instance_ids, lambda found: services.terminate_instances(found, actor=call.actor)
        )
    }


def _monitor(call: Call, instance_ids: Sequence[str], monitoring: bool) -> Reply:
    state = "enabled" if monitoring else "disabled"
    with transaction.atomic():
        instances = named(call, instance_ids)
        services.set_monitoring(instances, monitoring, actor=call.actor)
    return {"InstanceMonitorings": [{"InstanceId": i.ec2_id, "Monitoring": {"State": state}} for i in instances]}


@action()
def monitor_instances(call: Call, *, instance_ids: Sequence[str]) -> Reply:
    return _monitor(call, instance_ids, monitoring=True)


@action()
def unmonitor_instances(call: Call, *, instance_ids: Sequence[str]) -> Reply:
    return _monitor(call, instance_ids, monitoring=False)
