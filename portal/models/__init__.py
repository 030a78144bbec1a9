"""Who uses the cloud, what they may have, and what they did."""

from portal.models.access_key import MAX_ACCESS_KEYS, AccessKey
from portal.models.audit import AuditEntry
from portal.models.quota import Quota, Resource
from portal.models.tag import Tag
from portal.models.tenant import Identity, Invitation, Membership, Role, Tenant, User

__all__ = [
    "MAX_ACCESS_KEYS",
    "AccessKey",
    "AuditEntry",
    "Identity",
    "Invitation",
    "Membership",
    "Quota",
    "Resource",
    "Role",
    "Tag",
    "Tenant",
    "User",
]
