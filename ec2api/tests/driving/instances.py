"""Instances, and the volumes, images and key pairs that they have today."""

from __future__ import annotations

from ec2api.tests.cloud import Account
from ec2api.tests.driving.tables import Things, exempt, needs, thing
from storage.models import Image
from storage.tests.making import make_image


@thing("i")
def instance(account: Account, made: Things) -> str:
    """Running in the tenant's own group, with its key; other things are found in it."""
    image = Image.objects.filter(is_public=True).first()
    assert image is not None
    asked = {"ImageId": image.ec2_id, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    asked |= {"KeyName": made["key:name"], "SecurityGroupIds": [made["sg"]]}
    found: str = account.client().run_instances(**asked)["Instances"][0]["InstanceId"]
    return found


@thing("vol")
def volume(account: Account, made: Things) -> str:
    return str(account.tenant.volumes.get(instance_id=made["i"]).ec2_id)


@thing("ami")
def image(account: Account, made: Things) -> str:
    """A private one."""
    return make_image("private", account.tenant).ec2_id


@thing("key", "key:name")
def key_pair(account: Account, made: Things) -> tuple[str, str]:
    name = f"{account.tenant.name}-key"
    found: str = account.client().create_key_pair(KeyName=name, KeyType="ed25519")["KeyPairId"]
    return found, name


needs("RunInstances", ImageId="<image>", InstanceType="t2.nano")
needs("RunInstances", at="NetworkInterfaces", NetworkInterfaces=[{"DeviceIndex": 0}])
exempt("RunInstances", "BlockDeviceMappings.Ebs.SnapshotId", "the root disk is made from the image's own snapshot")
needs("ModifyInstanceAttribute", SourceDestCheck={"Value": False})
for at in ("Groups", "BlockDeviceMappings"):
    needs("ModifyInstanceAttribute", at=at, SourceDestCheck=None)
needs("DeleteKeyPair", KeyName="<key:name>")
needs("DeleteKeyPair", at="KeyPairId", KeyName=None)
exempt("DeleteKeyPair", "KeyPairId", "what is not there is deleted already, as at Amazon")
exempt("DeleteKeyPair", "KeyName", "what is not there is deleted already, as at Amazon")
