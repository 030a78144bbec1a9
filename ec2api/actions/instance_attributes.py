"""One attribute of an instance at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compute import attributes
from compute.interfaces import only_interface
from compute.models import Instance
from ec2api.actions.instances import named
from ec2api.launches import groups_named, instance_type_named
from ec2api.present.instances import STATUSES
from ec2api.present.interfaces import interfaces_of
from ec2api.protocol.errors import ApiError
from ec2api.protocol.scalars import decode_base64, encode_base64
from ec2api.registry import Call, Reply, action, unsupported
from storage.models import Volume

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceBlockDeviceMappingSpecificationTypeDef


def _groups(instance: Instance) -> dict[str, Any]:
    interfaces = interfaces_of(instance.tenant, [instance.ec2_id]).get(instance.ec2_id, ())
    return {"Groups": interfaces[0].groups if interfaces else []}


def _devices(instance: Instance) -> dict[str, Any]:
    volumes = Volume.objects.filter(instance_id=instance.ec2_id).order_by("pk")
    return {
        "BlockDeviceMappings": [
            {
                "DeviceName": volume.device,
                "Ebs": {
                    "VolumeId": volume.ec2_id,
                    "Status": STATUSES.get(volume.attachment_state, volume.attachment_state),
                    "AttachTime": volume.attached_at,
                    "DeleteOnTermination": volume.delete_on_termination,
                },
            }
            for volume in volumes
        ]
    }


def _user_data(instance: Instance) -> dict[str, Any]:
    data = bytes(instance.user_data)
    return {"UserData": {"Value": encode_base64(data)} if data else {}}


READERS: Mapping[str, Callable[[Instance], dict[str, Any]]] = {
    "blockDeviceMapping": _devices,
    "disableApiStop": lambda i: {"DisableApiStop": {"Value": i.disable_api_stop}},
    "disableApiTermination": lambda i: {"DisableApiTermination": {"Value": i.disable_api_termination}},
    "ebsOptimized": lambda i: {"EbsOptimized": {"Value": bool(i.hints.get("EbsOptimized"))}},
    "enaSupport": lambda i: {"EnaSupport": {"Value": True}},
    "enclaveOptions": lambda i: {"EnclaveOptions": {"Enabled": False}},
    "groupSet": _groups,
    "instanceInitiatedShutdownBehavior": lambda i: {
        "InstanceInitiatedShutdownBehavior": {"Value": i.shutdown_behavior}
    },
    "instanceType": lambda i: {"InstanceType": {"Value": i.instance_type.name}},
    "kernel": lambda i: {"KernelId": {}},
    "productCodes": lambda i: {"ProductCodes": []},
    "ramdisk": lambda i: {"RamdiskId": {}},
    "rootDeviceName": lambda i: {"RootDeviceName": {"Value": i.image.root_device_name}},
    "sourceDestCheck": lambda i: {"SourceDestCheck": {"Value": i.source_dest_check}},
    "sriovNetSupport": lambda i: {"SriovNetSupport": {"Value": "simple"}},
    "userData": _user_data,
}


@action()
def describe_instance_attribute(call: Call, *, instance_id: str, attribute: str) -> Reply:
    read = READERS.get(attribute)
    if read is None:
        raise _no_such(attribute)
    mine = Instance.objects.owned_by(call.tenant).visible().select_related("tenant", "instance_type", "image")
    (instance,) = mine.named([instance_id])
    return {"InstanceId": instance.ec2_id, **read(instance)}


def _no_such(attribute: str) -> ApiError:
    return ApiError(
        "InvalidParameterValue", f"Value ({attribute[:60]}) for parameter attribute is invalid. Unknown attribute."
    )


@action()
def modify_instance_attribute(
    call: Call,
    *,
    instance_id: str,
    attribute: str = "",
    value: str | None = None,
    instance_type: dict[str, str] | None = None,
    user_data: dict[str, bytes] | None = None,
    disable_api_termination: dict[str, bool] | None = None,
    disable_api_stop: dict[str, bool] | None = None,
    instance_initiated_shutdown_behavior: dict[str, str] | None = None,
    groups: Sequence[str] | None = None,
    source_dest_check: dict[str, bool] | None = None,
    ebs_optimized: dict[str, bool] | None = None,
    ena_support: dict[str, bool] | None = None,
    block_device_mappings: Sequence[InstanceBlockDeviceMappingSpecificationTypeDef] | None = None,
) -> Reply:
    """Exactly one, either by a parameter of its own or by Attribute and Value."""
    (instance,) = named(call, [instance_id])
    wanted: dict[str, Any] = {
        "instanceType": _value(instance_type),
        "userData": _value(user_data, b""),
        "disableApiTermination": _value(disable_api_termination),
        "disableApiStop": _value(disable_api_stop),
        "instanceInitiatedShutdownBehavior": _value(instance_initiated_shutdown_behavior),
        "groupSet": groups,
        "sourceDestCheck": _value(source_dest_check),
        "ebsOptimized": _value(ebs_optimized),
        "enaSupport": _value(ena_support),
        "blockDeviceMapping": block_device_mappings,
    }
    given = {name: each for name, each in wanted.items() if each is not None}
    if value is not None and (not attribute or attribute in given):
        raise ApiError(
            "InvalidParameterCombination", "The parameter Value goes with Attribute, and with no parameter of its own"
        )
    if attribute and attribute not in given:
        given[attribute] = _from_text(attribute, value)
    if len(given) != 1:
        words = "Fields for multiple attribute types specified" if given else "No attributes specified."
        raise ApiError("InvalidParameterCombination", words)
    ((name, each),) = given.items()
    WRITERS[name](call, instance, each)
    return {}


def _value(structure: Mapping[str, Any] | None, empty: Any = None) -> Any:
    return None if structure is None else structure.get("Value", empty)


def _from_text(attribute: str, text: str | None) -> Any:
    if attribute not in WRITERS or attribute in ("groupSet", "blockDeviceMapping"):
        raise _no_such(attribute)
    if text is None:
        raise ApiError("MissingParameter", "The request must contain the parameter Value")
    if attribute in ("instanceType", "instanceInitiatedShutdownBehavior"):
        return text
    if attribute == "userData":
        return decode_base64(text)
    if text.lower() not in ("true", "false"):
        raise ApiError(
            "InvalidParameterValue", f"Value ({text[:40]}) for parameter value is invalid: use true or false"
        )
    return text.lower() == "true"


def _set_groups(call: Call, instance: Instance, group_ids: Sequence[str]) -> None:
    subnet = only_interface(instance).subnet
    attributes.change_groups(instance, groups_named(call.tenant, subnet, group_ids), actor=call.actor)


def _set_devices(
    call: Call, instance: Instance, mappings: Sequence[InstanceBlockDeviceMappingSpecificationTypeDef]
) -> None:
    wishes: dict[str, bool] = {}
    for mapping in mappings:
        ebs = mapping.get("Ebs", {})
        if "NoDevice" in mapping or "VirtualName" in mapping or ebs.keys() != {"DeleteOnTermination"}:
            raise unsupported("Changing more of a block device than Ebs.DeleteOnTermination")
        wishes[mapping.get("DeviceName", "")] = ebs["DeleteOnTermination"]
    attributes.delete_volumes_on_termination(instance, wishes, actor=call.actor)


def _set_ena(call: Call, instance: Instance, wish: bool) -> None:
    if not wish:
        raise unsupported("EnaSupport 'false'")


WRITERS: Mapping[str, Callable[[Call, Instance, Any], None]] = {
    "instanceType": lambda call, i, name: attributes.change_type(i, instance_type_named(name), actor=call.actor),
    "userData": lambda call, i, data: attributes.change_user_data(i, data, actor=call.actor),
    "disableApiTermination": lambda call, i, wish: attributes.protect(i, termination=wish, actor=call.actor),
    "disableApiStop": lambda call, i, wish: attributes.protect(i, stop=wish, actor=call.actor),
    "instanceInitiatedShutdownBehavior": lambda call, i, word: attributes.change_shutdown_behavior(
        i, word, actor=call.actor
    ),
    "groupSet": _set_groups,
    "sourceDestCheck": lambda call, i, wish: attributes.check_source_and_destination(i, wish, actor=call.actor),
    "ebsOptimized": lambda call, i, wish: attributes.keep_hint(i, "EbsOptimized", wish, actor=call.actor),
    "enaSupport": _set_ena,
    "blockDeviceMapping": _set_devices,
}
