"""Addresses of the pages about instances and key pairs."""

from django.urls import path

from compute.views import instance, instances, key_pairs, launch, volumes

urlpatterns = [
    path("instances/", instances.instance_list, name="instances"),
    path("instances/rows/", instances.instance_rows, name="instance-rows"),
    path("instances/confirm/", instances.confirm, name="confirm"),
    path("instances/act/", instances.act, name="act"),
    path("instances/launch/", launch.launch, name="launch"),
    path("instances/launch/preview/", launch.preview, name="launch-preview"),
    path("instances/<str:ec2_id>/", instance.instance_detail, name="instance"),
    path("instances/<str:ec2_id>/live/", instance.instance_live, name="instance-live"),
    path("instances/<str:ec2_id>/console/", instance.instance_console, name="instance-console"),
    path("instances/<str:ec2_id>/rename/", instance.rename, name="instance-rename"),
    path("instances/<str:ec2_id>/tags/add/", instance.add_tag, name="instance-add-tag"),
    path("instances/<str:ec2_id>/tags/remove/", instance.remove_tag, name="instance-remove-tag"),
    path("instances/<str:ec2_id>/attributes/", instance.attributes, name="instance-attributes"),
    path("instances/<str:ec2_id>/attach/", volumes.attach_to_instance, name="instance-attach"),
    path("key-pairs/", key_pairs.key_pair_list, name="key-pairs"),
    path("key-pairs/create/", key_pairs.create, name="key-pair-create"),
    path("key-pairs/import/", key_pairs.import_, name="key-pair-import"),
    path("key-pairs/<str:ec2_id>/delete/", key_pairs.delete, name="key-pair-delete"),
    path("volumes/", volumes.volume_list, name="volumes"),
    path("volumes/create/", volumes.create, name="volume-create"),
    path("volumes/<str:ec2_id>/", volumes.volume_detail, name="volume"),
    path("volumes/<str:ec2_id>/live/", volumes.volume_live, name="volume-live"),
    path("volumes/<str:ec2_id>/attach/", volumes.attach, name="volume-attach"),
    path("volumes/<str:ec2_id>/detach/", volumes.detach, name="volume-detach"),
    path("volumes/<str:ec2_id>/grow/", volumes.grow, name="volume-grow"),
    path("volumes/<str:ec2_id>/snapshot/", volumes.snapshot, name="volume-snapshot"),
    path("volumes/<str:ec2_id>/delete/", volumes.delete, name="volume-delete"),
]
