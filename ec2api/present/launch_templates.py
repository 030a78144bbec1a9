"""Launch templates and their versions as EC2 describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compute.models import LaunchTemplate, LaunchTemplateVersion
from compute.models.launch_template import KIND
from ec2api.present.words import tags_by_id
from ec2api.template_data import restored
from portal.models import Tenant

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import LaunchTemplateTypeDef, LaunchTemplateVersionTypeDef


def templates(tenant: Tenant, rows: Sequence[LaunchTemplate]) -> list[LaunchTemplateTypeDef]:
    """One query, however many there are."""
    tags = tags_by_id(tenant, KIND, [row.ec2_id for row in rows])
    return [
        {
            "LaunchTemplateId": row.ec2_id,
            "LaunchTemplateName": row.name,
            "CreateTime": row.created_at,
            "CreatedBy": row.created_by,
            "DefaultVersionNumber": row.default_number,
            "LatestVersionNumber": row.latest_number,
            "Tags": tags.get(row.ec2_id, []),  # type: ignore[typeddict-item]
            "Operator": {"Managed": False},
        }
        for row in rows
    ]


def version(row: LaunchTemplateVersion) -> LaunchTemplateVersionTypeDef:
    found: LaunchTemplateVersionTypeDef = {
        "LaunchTemplateId": row.template.ec2_id,
        "LaunchTemplateName": row.template.name,
        "VersionNumber": row.number,
        "CreateTime": row.created_at,
        "CreatedBy": row.created_by,
        "DefaultVersion": row.is_default,
        "LaunchTemplateData": restored(row.data),  # type: ignore[typeddict-item]
        "Operator": {"Managed": False},
    }
    if row.description:
        found["VersionDescription"] = row.description
    return found
