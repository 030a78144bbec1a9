"""What an instance says on its serial console."""

from __future__ import annotations

from django.utils import timezone

from compute.models import ConsoleOutput
from ec2api.actions.instances import named
from ec2api.protocol.scalars import encode_base64
from ec2api.registry import Call, Reply, action


@action(ignores=["latest"])
def get_console_output(call: Call, *, instance_id: str) -> Reply:
    """The end of it, also after the instance has ended."""
    (instance,) = named(call, [instance_id])
    console = ConsoleOutput.objects.filter(instance=instance).first()
    return {
        "InstanceId": instance.ec2_id,
        "Output": encode_base64(bytes(console.text)) if console else "",
        "Timestamp": console.updated_at if console else timezone.now(),
    }
