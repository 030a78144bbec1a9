"""Options of instances that are kept and shown, each kind with an action of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from compute import attributes
from compute.models import Instance
from ec2api.actions.instances import named
from ec2api.filters import Filters, Table, condition
from ec2api.launches import check_words
from ec2api.pagination import Page
from ec2api.present.instances import METADATA
from ec2api.protocol.errors import ApiError
from ec2api.registry import Call, Reply, action
from portal.errors import CloudError

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceCreditSpecificationRequestTypeDef

CREDIT_FILTERS: Table = {"instance-id": "ec2_id"}
_CREDITS = "hints__CreditSpecification__CpuCredits"
# As at Amazon, T2 instances are standard unless asked otherwise, and later families unlimited.
_UNLIMITED = Q(**{_CREDITS: "unlimited"}) | (
    ~Q(instance_type__name__startswith="t2.") & Q(**{f"{_CREDITS}__isnull": True})
)


def _burstable(call: Call) -> QuerySet[Instance]:
    rows = Instance.objects.owned_by(call.tenant).visible().select_related("instance_type")
    return rows.filter(instance_type__name__startswith="t")


def _credits(instance: Instance) -> str:
    default = "standard" if instance.instance_type.name.startswith("t2.") else "unlimited"
    return str((instance.hints.get("CreditSpecification") or {}).get("CpuCredits", default))


@action()
def describe_instance_credit_specifications(
    call: Call,
    *,
    instance_ids: Sequence[str] = (),
    filters: Filters = (),
    max_results: int | None = None,
    next_token: str = "",
) -> Reply:
    """Of those named; without ids, of all that are unlimited, as at Amazon."""
    page = Page(call, max_results, next_token, ids=instance_ids, ids_name="InstanceIds")
    rows = _burstable(call).filter(condition(filters, CREDIT_FILTERS, call.tenant, with_tags=False))
    if instance_ids:
        rows = rows.filter(pk__in=[instance.pk for instance in _only_burstable(call, instance_ids)])
    else:
        rows = rows.filter(_UNLIMITED)
    found, token = page.close(list(page.cut(rows)), lambda instance: instance.pk)
    return {
        "InstanceCreditSpecifications": [{"InstanceId": i.ec2_id, "CpuCredits": _credits(i)} for i in found],
        "NextToken": token,
    }


def _only_burstable(call: Call, instance_ids: Sequence[str]) -> list[Instance]:
    found = named(call, instance_ids)
    there = set(_burstable(call).filter(pk__in=[i.pk for i in found]).values_list("pk", flat=True))
    for instance in found:
        if instance.pk not in there:
            raise ApiError(
                "InstanceCreditSpecification.NotSupported",
                f"The instance '{instance.ec2_id}' has a type without CPU credits; t2 and later have them",
            )
    return found


@action(ignores=["client_token"])
def modify_instance_credit_specification(
    call: Call, *, instance_credit_specifications: Sequence[InstanceCreditSpecificationRequestTypeDef]
) -> Reply:
    """Each for itself: what cannot be changed is told beside what was."""
    done, failed = [], []
    for each in instance_credit_specifications:
        instance_id = each.get("InstanceId", "")
        check_words({"CreditSpecification": {"CpuCredits": each.get("CpuCredits", "")}})
        try:
            (instance,) = _only_burstable(call, [instance_id])
            options = {"CpuCredits": each.get("CpuCredits", "")}
            attributes.change_options(instance, "CreditSpecification", options, actor=call.actor)
            done.append({"InstanceId": instance_id})
        except (ApiError, CloudError) as error:
            failed.append({"InstanceId": instance_id, "Error": {"Code": error.code, "Message": error.message}})
    return {"SuccessfulInstanceCreditSpecifications": done, "UnsuccessfulInstanceCreditSpecifications": failed}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were sent.  Raises ApiError if none was."""
    found = {name: value for name, value in options.items() if value is not None}
    if not found:
        raise ApiError("MissingParameter", f"The request must contain one of the parameters {', '.join(options)}")
    return found


@action()
def modify_instance_metadata_options(
    call: Call,
    *,
    instance_id: str,
    http_tokens: str | None = None,
    http_put_response_hop_limit: int | None = None,
    http_endpoint: str | None = None,
    http_protocol_ipv6: str | None = None,
    instance_metadata_tags: str | None = None,
) -> Reply:
    (instance,) = named(call, [instance_id])
    options = _given(
        {
            "HttpTokens": http_tokens,
            "HttpPutResponseHopLimit": http_put_response_hop_limit,
            "HttpEndpoint": http_endpoint,
            "HttpProtocolIpv6": http_protocol_ipv6,
            "InstanceMetadataTags": instance_metadata_tags,
        }
    )
    check_words({"MetadataOptions": options})
    found = attributes.change_options(instance, "MetadataOptions", options, actor=call.actor)
    return {"InstanceId": instance_id, "InstanceMetadataOptions": {**METADATA, **found, "State": "pending"}}


@action()
def modify_instance_maintenance_options(
    call: Call, *, instance_id: str, auto_recovery: str | None = None, reboot_migration: str | None = None
) -> Reply:
    (instance,) = named(call, [instance_id])
    options = _given({"AutoRecovery": auto_recovery, "RebootMigration": reboot_migration})
    check_words({"MaintenanceOptions": options})
    found = attributes.change_options(instance, "MaintenanceOptions", options, actor=call.actor)
    return {"InstanceId": instance_id, "AutoRecovery": "default", "RebootMigration": "default", **found}


@action()
def modify_private_dns_name_options(
    call: Call,
    *,
    instance_id: str,
    private_dns_hostname_type: str | None = None,
    enable_resource_name_dns_a_record: bool | None = None,
    enable_resource_name_dns_aaaa_record: bool | None = None,
) -> Reply:
    """The kind of host name only while the instance is stopped: it learns its name when it starts."""
    (instance,) = named(call, [instance_id])
    options = _given(
        {
            "HostnameType": private_dns_hostname_type,
            "EnableResourceNameDnsARecord": enable_resource_name_dns_a_record,
            "EnableResourceNameDnsAAAARecord": enable_resource_name_dns_aaaa_record,
        }
    )
    check_words({"PrivateDnsNameOptions": options})
    attributes.change_options(
        instance, "PrivateDnsNameOptions", options, actor=call.actor, only_stopped="HostnameType" in options
    )
    return {"Return": True}


@action()
def get_password_data(call: Call, *, instance_id: str) -> Reply:
    """Empty, as of every instance that is not Windows."""
    (instance,) = named(call, [instance_id])
    return {"InstanceId": instance.ec2_id, "PasswordData": "", "Timestamp": timezone.now()}
