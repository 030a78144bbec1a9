// Sessions of the AWS SDK for JavaScript, by name: node session.cjs launch|storage|addresses|pages
"use strict";
const assert = require("node:assert/strict");
const sdk = require("@aws-sdk/client-ec2");

const ec2 = new sdk.EC2({});
const soon = (seconds = 60) => ({ client: ec2, maxWaitTime: seconds, minDelay: 1, maxDelay: 1 });
const named = (kind) => [{ ResourceType: kind, Tags: [{ Key: "Name", Value: "javascript" }] }];

async function launch(options = {}) {
  const { Images } = await ec2.describeImages({ Owners: ["amazon"], Filters: [{ Name: "state", Values: ["available"] }] });
  const { Instances } = await ec2.runInstances({
    ImageId: Images[0].ImageId, InstanceType: "t2.nano", MinCount: 1, MaxCount: 1, TagSpecifications: named("instance"), ...options,
  });
  await sdk.waitUntilInstanceRunning(soon(), { InstanceIds: [Instances[0].InstanceId] });
  return describe(Instances[0].InstanceId);
}

async function describe(id) {
  const { Reservations } = await ec2.describeInstances({ InstanceIds: [id] });
  return Reservations[0].Instances[0];
}

async function end(...ids) {
  await ec2.terminateInstances({ InstanceIds: ids });
  await sdk.waitUntilInstanceTerminated(soon(), { InstanceIds: ids });
}

const sessions = {
  async launch() {
    const key = await ec2.createKeyPair({ KeyName: "javascript", KeyType: "ed25519", TagSpecifications: named("key-pair") });
    assert.match(key.KeyMaterial, /^-----BEGIN OPENSSH PRIVATE KEY-----/);
    const { GroupId } = await ec2.createSecurityGroup({ GroupName: "javascript", Description: "SSH" });
    await ec2.authorizeSecurityGroupIngress({
      GroupId, IpPermissions: [{ IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0", Description: "all" }] }],
    });

    const instance = await launch({ KeyName: "javascript", SecurityGroupIds: [GroupId], UserData: btoa("#!/bin/sh\n") });
    const id = instance.InstanceId;
    assert.ok(instance.LaunchTime instanceof Date);
    assert.deepEqual(instance.SecurityGroups, [{ GroupId, GroupName: "javascript" }]);
    await ec2.createTags({ Resources: [id], Tags: [{ Key: "stage", Value: "試 & <é>" }] });
    const { Tags } = await ec2.describeTags({ Filters: [{ Name: "resource-id", Values: [id] }, { Name: "key", Values: ["stage"] }] });
    assert.deepEqual(Tags, [{ ResourceId: id, ResourceType: "instance", Key: "stage", Value: "試 & <é>" }]);

    await ec2.stopInstances({ InstanceIds: [id] });
    await sdk.waitUntilInstanceStopped(soon(), { InstanceIds: [id] });
    await ec2.startInstances({ InstanceIds: [id] });
    await sdk.waitUntilInstanceRunning(soon(), { InstanceIds: [id] });

    await assert.rejects(ec2.describeInstances({ InstanceIds: ["i-0123456789abcdef0"] }), { name: "InvalidInstanceID.NotFound" });
    await assert.rejects(ec2.stopInstances({ InstanceIds: [id], DryRun: true }), { name: "DryRunOperation" });
    await end(id);
    await ec2.deleteSecurityGroup({ GroupId });
    await ec2.deleteKeyPair({ KeyName: "javascript" });
  },

  async pages() {
    const { Images } = await ec2.describeImages({ Owners: ["amazon"] });
    const made = await ec2.runInstances({ ImageId: Images[0].ImageId, InstanceType: "t2.nano", MinCount: 6, MaxCount: 6 });
    const ids = made.Instances.map((instance) => instance.InstanceId);
    const seen = [];
    const living = [{ Name: "instance-state-name", Values: ["pending", "running"] }];
    for await (const page of sdk.paginateDescribeInstances({ client: ec2, pageSize: 5 }, { Filters: living })) {
      seen.push(...page.Reservations.flatMap((reservation) => reservation.Instances.map((each) => each.InstanceId)));
    }
    assert.deepEqual(seen.sort(), ids.sort());
    await end(...ids);
  },

  async storage() {
    const instance = await launch({
      BlockDeviceMappings: [
        { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 2 } },
        { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 1, DeleteOnTermination: true } },
      ],
    });
    const zone = instance.Placement.AvailabilityZone;
    assert.equal(instance.BlockDeviceMappings.length, 2);

    const { VolumeId } = await ec2.createVolume({ AvailabilityZone: zone, Size: 1, TagSpecifications: named("volume") });
    await sdk.waitUntilVolumeAvailable(soon(), { VolumeIds: [VolumeId] });
    await ec2.attachVolume({ VolumeId, InstanceId: instance.InstanceId, Device: "/dev/sdg" });
    await sdk.waitUntilVolumeInUse(soon(), { VolumeIds: [VolumeId] });
    const { SnapshotId } = await ec2.createSnapshot({ VolumeId, Description: "by JavaScript", TagSpecifications: named("snapshot") });
    await sdk.waitUntilSnapshotCompleted(soon(), { SnapshotIds: [SnapshotId] });
    await ec2.detachVolume({ VolumeId });
    await sdk.waitUntilVolumeAvailable(soon(), { VolumeIds: [VolumeId] });
    await ec2.deleteVolume({ VolumeId });
    await sdk.waitUntilVolumeDeleted(soon(), { VolumeIds: [VolumeId] });

    const again = await ec2.createVolume({ AvailabilityZone: zone, SnapshotId });
    await sdk.waitUntilVolumeAvailable(soon(), { VolumeIds: [again.VolumeId] });
    await ec2.deleteVolume({ VolumeId: again.VolumeId });
    await sdk.waitUntilVolumeDeleted(soon(), { VolumeIds: [again.VolumeId] });
    await ec2.deleteSnapshot({ SnapshotId });

    const { ImageId } = await ec2.createImage({ InstanceId: instance.InstanceId, Name: "javascript", NoReboot: true });
    await sdk.waitUntilImageAvailable(soon(), { ImageIds: [ImageId] });
    const copy = await launch({ ImageId });
    await end(instance.InstanceId, copy.InstanceId);
    const { Images } = await ec2.describeImages({ ImageIds: [ImageId] });
    await ec2.deregisterImage({ ImageId });
    for (const { Ebs } of Images[0].BlockDeviceMappings) await ec2.deleteSnapshot({ SnapshotId: Ebs.SnapshotId });
  },

  async addresses() {
    const { InstanceId } = await launch();
    const { AllocationId, PublicIp } = await ec2.allocateAddress({ Domain: "vpc" });
    const { AssociationId } = await ec2.associateAddress({ AllocationId, InstanceId });
    assert.equal((await describe(InstanceId)).PublicIpAddress, PublicIp);
    const { Addresses } = await ec2.describeAddresses({ Filters: [{ Name: "instance-id", Values: [InstanceId] }] });
    assert.equal(Addresses[0].AllocationId, AllocationId);
    await ec2.disassociateAddress({ AssociationId });
    await ec2.releaseAddress({ AllocationId });
    await end(InstanceId);
  },
};

sessions[process.argv[2]]().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
