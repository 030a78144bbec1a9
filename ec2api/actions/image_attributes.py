"""One attribute of an image at a time, and who may launch from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ec2api.image_devices import own_image
from ec2api.permissions_of_accounts import change_of, listed_permissions
from ec2api.present.images import device
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from storage.images import describe_image
from storage.models import Image
from storage.sharing import Change, share_image


def _devices(row: Image) -> dict[str, Any]:
    return {"BlockDeviceMappings": [device(each) for each in row.devices.select_related("snapshot")]}


READERS: Mapping[str, Callable[[Image], dict[str, Any]]] = {
    "blockDeviceMapping": _devices,
    "bootMode": lambda row: {"BootMode": {"Value": row.boot_mode}},
    "deregistrationProtection": lambda row: {"DeregistrationProtection": {"Value": "disabled"}},
    "description": lambda row: {"Description": {"Value": row.description}},
    "imdsSupport": lambda row: {"ImdsSupport": {}},
    "kernel": lambda row: {"KernelId": {}},
    "lastLaunchedTime": lambda row: {"LastLaunchedTime": {}},
    "launchPermission": lambda row: {"LaunchPermissions": listed_permissions(row)},
    "productCodes": lambda row: {"ProductCodes": []},
    "ramdisk": lambda row: {"RamdiskId": {}},
    "sriovNetSupport": lambda row: {"SriovNetSupport": {"Value": "simple"}},
    "tpmSupport": lambda row: {"TpmSupport": {}},
    "uefiData": lambda row: {"UefiData": {}},
}


def _no_such(attribute: str) -> ApiError:
    return ApiError(
        "InvalidParameterValue", f"Value ({attribute[:60]}) for parameter attribute is invalid. Unknown attribute."
    )


@action()
def describe_image_attribute(call: Call, *, image_id: str, attribute: str) -> Reply:
    """Of the tenant's own: who else may use it is nobody else's business."""
    if attribute not in READERS:
        raise _no_such(attribute)
    return {"ImageId": image_id, **READERS[attribute](own_image(call, image_id))}


@action()
def modify_image_attribute(
    call: Call,
    *,
    image_id: str,
    attribute: str = "",
    description: Mapping[str, str] | None = None,
    launch_permission: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    operation_type: str = "",
    user_ids: Sequence[str] = (),
    user_groups: Sequence[str] = (),
    value: str | None = None,
) -> Reply:
    """Description or launchPermission, by a parameter of its own or, as of old, by Attribute and what goes with it."""
    row = own_image(call, image_id)
    is_old = bool(operation_type or user_ids or user_groups)
    asked = {
        "description": description is not None or attribute == "description",
        "launchPermission": launch_permission is not None or is_old or attribute == "launchPermission",
    }
    if attribute and attribute not in asked:
        raise _no_such(attribute)
    if sum(asked.values()) != 1:
        words = "Fields for multiple attribute types specified" if any(asked.values()) else "No attributes specified."
        raise ApiError("InvalidParameterCombination", words)
    if asked["description"]:
        text = value if description is None else description.get("Value", "")
        if text is None:
            raise ApiError("MissingParameter", "The request must contain the parameter Description.Value")
        describe_image(row, description=text, actor=call.actor)
    else:
        change = change_of(launch_permission, operation_type, user_ids, user_groups, "InvalidAMIAttributeItemValue")
        share_image(row, change, actor=call.actor)
    return {}


@action()
def reset_image_attribute(call: Call, *, image_id: str, attribute: str) -> Reply:
    """Nobody else may launch from it any more; no other attribute can be reset."""
    row = own_image(call, image_id)
    if attribute != "launchPermission":
        raise _no_such(attribute)
    accounts = list(row.shared_with.values_list("account_id", flat=True))
    share_image(row, Change(remove=accounts, public=False), actor=call.actor)
    return {}
