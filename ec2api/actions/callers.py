"""The one action of STS that EC2 clients ask for: who am I."""

from __future__ import annotations

from ec2api.registry import Call, Reply, action


@action(service="sts")
def get_caller_identity(call: Call) -> Reply:
    account = call.tenant.account_id
    return {
        "UserId": f"AIDA{call.user.pk:016d}",
        "Account": account,
        "Arn": f"arn:aws:iam::{account}:user/{call.user.username}",
    }
